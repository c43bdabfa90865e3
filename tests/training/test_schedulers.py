import io
import math

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from pipeline.errors import BadInput
from pipeline.training.schedulers import Constant, Cosine, Linear, Plateau, follow_validation
from tests.training.facts import BARE

PEAK = 3e-5


def optimizer(*peaks):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": peak} for peak in peaks or (PEAK,)]
    return torch.optim.SGD(groups)


def rates(schedulers, optimizer, steps):
    """The learning rate of each step, and of the step after the last."""
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def of_spec(spec, steps, total=None):
    used = optimizer()
    configs = spec.build(used, total or steps, monitor="val/loss", mode="min")
    assert all(config["interval"] == "step" for config in configs)
    return rates([config["scheduler"] for config in configs], used, steps)


def of_transformers(schedule, steps, **arguments):
    used = optimizer()
    return rates([schedule(used, **arguments)], used, steps)


@pytest.mark.parametrize(("total", "warmup"), [(100, 0), (100, 6), (7, 3), (1, 0), (5, 5), (4, 10)])
@pytest.mark.parametrize(
    ("spec", "schedule"),
    [(Linear, get_linear_schedule_with_warmup), (Cosine, get_cosine_schedule_with_warmup)],
)
def test_equal_to_transformers_step_for_step(spec, schedule, total, warmup):
    expected = of_transformers(schedule, total, num_warmup_steps=warmup, num_training_steps=total)
    assert of_spec(spec(warmup_steps=warmup), total) == expected


def test_constant_and_cosine_with_a_floor_equal_transformers():
    assert of_spec(Constant(warmup_steps=5), 20) == of_transformers(
        get_constant_schedule_with_warmup, 20, num_warmup_steps=5
    )
    assert of_spec(Cosine(warmup_steps=5, min_ratio=0.1), 50) == pytest.approx(
        of_transformers(
            get_cosine_with_min_lr_schedule_with_warmup,
            50,
            num_warmup_steps=5,
            num_training_steps=50,
            min_lr_rate=0.1,
        ),
        rel=1e-12,
    )


def test_cosine_stays_down_where_the_run_is_longer_than_was_thought():
    assert max(of_spec(Cosine(warmup_steps=0), 60, total=40)[40:]) == 0


def test_steps_win_over_the_ratio():
    assert Linear().warmup(1000) == 60
    assert Linear(warmup_ratio=0.1).warmup(1000) == 100
    assert Linear(warmup_ratio=0.1, warmup_steps=0).warmup(1000) == 0
    assert Linear(warmup_ratio=0.1, warmup_steps=7).warmup(1000) == 7


@pytest.mark.parametrize("spec", [Linear(), Cosine(min_ratio=0.1), Constant(), Plateau()])
def test_a_restored_schedule_goes_on_as_if_it_had_never_stopped(spec):
    def advance(configs, used, steps, first):
        found = []
        for step in range(first, first + steps):
            found.append([group["lr"] for group in used.param_groups])
            used.step()
            for config in configs:
                scheduler = config["scheduler"]
                if "monitor" not in config:
                    scheduler.step()
                elif step % 5 == 0:
                    scheduler.step(math.cos(step))
        return found

    whole = optimizer(PEAK, 10 * PEAK)
    configs = spec.build(whole, 100, "val/loss", "min")
    advance(configs, whole, 40, 0)
    file = io.BytesIO()
    torch.save([whole.state_dict(), *(config["scheduler"].state_dict() for config in configs)], file)
    expected = advance(configs, whole, 60, 40)

    again = optimizer(PEAK, 10 * PEAK)
    configs = spec.build(again, 100, "val/loss", "min")
    file.seek(0)
    of_optimizer, *of_schedulers = torch.load(file, weights_only=True)
    again.load_state_dict(of_optimizer)
    for config, state in zip(configs, of_schedulers, strict=True):
        config["scheduler"].load_state_dict(state)
    assert advance(configs, again, 60, 40) == expected


def test_a_restored_schedule_follows_a_new_length():
    used = optimizer()
    (config,) = Linear(warmup_steps=0).build(used, 100, "val/loss", "min")
    state = config["scheduler"].state_dict()
    (longer,) = Linear(warmup_steps=0).build(used, 200, "val/loss", "min")
    longer["scheduler"].load_state_dict(state)
    assert rates([longer["scheduler"]], used, 100)[-1] == PEAK / 2


class Validated(LightningModule):
    """A module whose validation metric is made up, and that notes the learning rate of each step."""

    def __init__(self, spec, scores):
        super().__init__()
        self.weight, self.spec, self.scores = torch.nn.Parameter(torch.zeros(1)), spec, list(scores)
        self.used = []

    def configure_optimizers(self):
        used = torch.optim.SGD(self.parameters(), lr=1.0)
        return [used], self.spec.build(used, self.trainer.max_steps, "val/accuracy", "max")

    def training_step(self, batch, index):
        self.used.append(self.optimizers().param_groups[0]["lr"])
        return self.weight.sum() * 0

    def validation_step(self, batch, index):
        return None

    def on_validation_epoch_end(self):
        follow_validation(self.trainer.lr_scheduler_configs, {"val/accuracy": self.scores.pop(0)})

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(10, 1))

    def val_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(1, 1))


def fit(module, tmp_path, **options):
    trainer = Trainer(
        max_steps=20,
        default_root_dir=tmp_path,
        **BARE,
        **options,
    )
    trainer.fit(module)
    return trainer


def test_plateau_sees_every_validation_within_an_epoch(tmp_path):
    # An epoch has 10 steps, a validation every 4 (across epochs): after steps 4, 8, 12, 16 and 20.
    module = Validated(Plateau(warmup_steps=0, factor=0.5, patience=0), [0.7, 0.6, 0.8, 0.8, 0.9])
    fit(module, tmp_path, val_check_interval=4, check_val_every_n_epoch=None)
    # Down after step 8 (0.6 < 0.7) and after step 16 (0.8 again); the metric is to rise.
    assert module.used == [1.0] * 8 + [0.5] * 8 + [0.25] * 4


def test_warmup_does_not_undo_reductions(tmp_path):
    module = Validated(Plateau(warmup_steps=9, factor=0.5, patience=0), [0.7, 0.6, 0.8, 0.8, 0.9])
    fit(module, tmp_path, val_check_interval=4, check_val_every_n_epoch=None)
    risen = [min(1.0, (step + 1) / 10) for step in range(20)]
    reduced = [1.0] * 8 + [0.5] * 8 + [0.25] * 4
    assert module.used == pytest.approx([a * b for a, b in zip(risen, reduced, strict=True)])


def test_plateau_counts_small_reductions_and_stops_at_its_floor():
    used = optimizer(1e-8)
    (config,) = Plateau(warmup_steps=0, patience=0, min_lr=2e-9).build(used, 10, "val/loss", "min")
    seen = []
    for _ in range(5):
        config["scheduler"].step(1.0)
        seen.append(used.param_groups[0]["lr"])
    assert seen == pytest.approx([1e-8, 5e-9, 2.5e-9, 2e-9, 2e-9])


def test_groups_with_a_factor_keep_their_share_of_the_rate():
    used = optimizer(1.0, 0.1, 0.5)  # the last has a rate of its own
    used.param_groups[1]["factor"], used.param_groups[2]["factor"] = 0.1, None
    (config,) = Linear(warmup_steps=2).build(used, 4, "val/loss", "min")
    for expected in (0.0, 0.5, 1.0, 0.5, 0.0):
        assert [group["lr"] for group in used.param_groups] == pytest.approx(
            [expected, 0.1 * expected, 0.5 * expected]
        )
        used.step()
        config["scheduler"].step()
    used = optimizer(1.0, 0.1)
    used.param_groups[1]["factor"] = 0.1
    (config,) = Plateau(warmup_steps=0, patience=0, min_lr=0.2).build(used, 4, "val/loss", "min")
    for _ in range(5):
        config["scheduler"].step(1.0)
    assert [group["lr"] for group in used.param_groups] == pytest.approx([0.2, 0.02])


def test_a_metric_that_is_not_there_is_named(tmp_path):
    module = Validated(Plateau(), [0.7] * 5)
    module.on_validation_epoch_end = lambda: follow_validation(
        module.trainer.lr_scheduler_configs, {"val/accuracy_top1": 0.5, "val/loss": 1.0}
    )
    with pytest.raises(BadInput, match="val/accuracy'") as error:
        fit(module, tmp_path)
    assert error.value.problems[0].nearest == "val/accuracy_top1"
