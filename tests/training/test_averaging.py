"""Averages of weights, compared with torch's own and with plain means of recorded weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.training.averaging import Averages, Averaging
from pipeline.training.checkpoint_callback import CheckpointCallback
from pipeline.training.ema import Ema
from pipeline.training.swa import Swa
from tests.training.facts import BARE, facts


def changed(model: nn.Module, times: int) -> Any:
    """The model after so many random changes of its trained weights."""
    torch.manual_seed(0)
    for _ in range(times):
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight))
        yield model


def partly_trained() -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    return model


def test_ema_is_torchs() -> None:
    model = partly_trained()
    averages = Averages(model, Ema(decay=0.9, warmup=False).share)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for _ in changed(model, 5):
        averages.update()
        theirs.update_parameters(model)
    assert averages.averaged.keys() == {"1.weight", "1.bias"}
    for name, value in averages.averaged.items():
        torch.testing.assert_close(value, theirs.module.get_parameter(name))


def test_the_decay_grows_to_what_is_set() -> None:
    ema = Ema(decay=0.9)
    assert [1 - ema.share(count) for count in (1, 2, 80, 10**6)] == pytest.approx([2 / 11, 3 / 12, 0.9, 0.9])


def test_swa_is_torchs_and_the_plain_mean() -> None:
    model = partly_trained()
    averages = Averages(model, lambda count: 1 / (count + 1))
    theirs, seen = AveragedModel(model), []
    for _ in changed(model, 6):
        averages.update()
        theirs.update_parameters(model)
        seen.append(model[1].weight.detach().clone())
    torch.testing.assert_close(averages.averaged["1.weight"], torch.stack(seen).mean(0))
    torch.testing.assert_close(averages.averaged["1.weight"], theirs.module[1].weight.detach())


def test_averages_take_the_place_of_weights_and_leave_it() -> None:
    model = partly_trained()
    averages = Averages(model, lambda count: 0.5)
    before = model[1].weight.detach().clone()
    averages.put()
    assert torch.equal(model[1].weight, before), "there are none yet"
    averages.update()
    for _ in changed(model, 1):
        averages.update()
    own, mean = model[1].weight.detach().clone(), averages.averaged["1.weight"].clone()
    with averages.in_place():
        assert torch.equal(model[1].weight, mean)
        with averages.in_place():
            averages.put()
        assert torch.equal(model[1].weight, mean), "who put them there takes them back"
    assert torch.equal(model[1].weight, own) and torch.equal(averages.averaged["1.weight"], mean)


def test_averages_of_other_weights_are_refused() -> None:
    averages = Averages(partly_trained(), lambda count: 0.5)
    averages.update()
    state = averages.state_dict()
    with pytest.raises(RuntimeError, match="other weights"):
        Averages(nn.Linear(3, 4), lambda count: 0.5).load_state_dict(state)


class Noisy(LightningModule):
    """Its gradients depend on the batch; scored as the training module does it."""

    averages: Averages | None = None

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.scored: list[torch.Tensor] = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return ((self.layer(batch) - 1) ** 2).mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.scored.append(self.layer.weight.detach().clone())
        self.log("val/loss", float(len(self.scored)))

    def on_validation_start(self) -> None:
        if self.averages:
            self.averages.put()

    def on_validation_model_train(self) -> None:
        if self.averages:
            self.averages.put_back()
        self.train()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.linspace(0, 2, 16).view(16, 1), batch_size=1)

    def val_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.zeros(1, 1))


class Recorder(Callback):
    """The weights after every optimizer step."""

    def __init__(self) -> None:
        self.weights: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, *rest: Any) -> None:
        if trainer.global_step > len(self.weights):
            self.weights.append(module.layer.weight.detach().clone())


def fit(folder: Path, averaging: Averaging, monitor: str | None = "val/loss") -> tuple[Noisy, Recorder]:
    """Two epochs of eight steps of two batches, with `best` and `last` in ``folder``."""
    torch.manual_seed(0)
    module, recorder = Noisy(), Recorder()
    keeping = CheckpointCallback(folder, monitor=monitor, mode="max", every_steps=None, every_seconds=None)
    trainer = Trainer(
        **BARE,
        max_epochs=2,
        accumulate_grad_batches=2,
        callbacks=[averaging, keeping, recorder],  # in whatever order
        default_root_dir=folder,
    )
    trainer.fit(module)
    return module, recorder


@pytest.mark.parametrize("monitor", ["val/loss", None])
def test_what_is_scored_and_kept_is_the_mean_of_the_last_weights(monitor: str | None, tmp_path: Path) -> None:
    averaging: Any = Swa(start=0.5, every=2).build(facts(tmp_path, total_steps=16))
    module, recorder = fit(tmp_path, averaging, monitor)
    assert len(recorder.weights) == 16
    mean = torch.stack(recorder.weights[7::2]).mean(0)  # after steps 8, 10, 12, 14 and 16
    first, last = module.scored
    assert torch.equal(first, recorder.weights[7]), "the mean of one"
    torch.testing.assert_close(last, mean)
    assert not torch.allclose(mean, recorder.weights[-1])
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(best["layer.weight"], last)
    # What training goes on from has both.
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert torch.equal(kept["state_dict"]["layer.weight"], recorder.weights[-1])
    assert torch.equal(kept["callbacks"]["Averaging"]["averaged"]["layer.weight"], last)
    assert torch.equal(module.layer.weight, last), "without a checkpoint this is what is left"


def test_a_run_too_short_to_average_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, recorder = fit(tmp_path, Averaging(lambda count: 0.5, lambda step: False))
    assert torch.equal(module.layer.weight, recorder.weights[-1])
    assert "ended before any weights were averaged" in capsys.readouterr().err


def test_where_averaging_begins() -> None:
    swa = Swa(start=0.75, every=10)
    assert [step for step in range(1, 101) if swa.due(step, 100)] == [75, 85, 95]
    assert [step for step in range(1, 5) if Swa(start=0.0, every=1).due(step, 4)] == [1, 2, 3, 4]


def test_two_averages_at_once_are_refused() -> None:
    spec = SimpleNamespace(callbacks={"ema": Ema(), "swa": Swa()})
    (problem,) = Swa().conflicts(spec)
    assert problem.what == "ema and swa both average the weights"
    assert not list(Swa().conflicts(SimpleNamespace(callbacks={"swa": Swa()})))
