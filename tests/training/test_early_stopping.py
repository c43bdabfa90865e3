import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from pipeline.errors import BadInput
from pipeline.training.early_stopping import EarlyStopping
from tests.training.facts import BARE, facts


class Scored(LightningModule):
    """A module whose validation scores are given."""

    def __init__(self, scores):
        super().__init__()
        self.weight, self.scores = torch.nn.Parameter(torch.zeros(1)), list(scores)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch, index):
        return self.weight.sum() * 0

    def validation_step(self, batch, index):
        return None

    def on_validation_epoch_end(self):
        self.log("val/accuracy", self.scores.pop(0))

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(4, 1))

    def val_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(1, 1))


def stopped_at(spec, scores, tmp_path, mode="max"):
    callback = spec.build(facts(tmp_path, mode=mode))
    trainer = Trainer(
        max_epochs=3,
        val_check_interval=2,
        callbacks=[callback],
        **BARE,
        default_root_dir=tmp_path,
    )
    trainer.fit(Scored(scores))
    return trainer.global_step


def test_ends_after_so_many_validations_without_improvement(tmp_path):
    # Two validations an epoch of four steps: patience counts validations, not epochs.
    assert stopped_at(EarlyStopping(patience=2), [0.5, 0.6, 0.6, 0.4, 0.9, 0.9], tmp_path) == 8
    assert stopped_at(EarlyStopping(patience=1), [0.5, 0.6, 0.6, 0.4, 0.9, 0.9], tmp_path) == 6
    assert stopped_at(EarlyStopping(patience=3), [0.5, 0.6, 0.6, 0.4, 0.9, 0.9], tmp_path) == 12


def test_says_once_that_it_stopped_and_why(tmp_path, capsys):
    stopped_at(EarlyStopping(patience=2), [0.5, 0.6, 0.6, 0.4, 0.9, 0.9], tmp_path)
    said = "early stopping at step 8: val/accuracy has not improved for 2 evaluations"
    assert capsys.readouterr().err.count(said) == 1
    stopped_at(EarlyStopping(patience=1), [0.5, 0.4], tmp_path)
    assert "at step 4: val/accuracy has not improved for 1 evaluation\n" in capsys.readouterr().err
    stopped_at(EarlyStopping(patience=2), [0.5, float("nan")], tmp_path)
    assert "early stopping at step 4: val/accuracy is nan" in capsys.readouterr().err
    stopped_at(EarlyStopping(patience=9), [0.5] * 6, tmp_path)
    assert "early stopping" not in capsys.readouterr().err


def test_follows_the_direction_of_the_metric_and_its_smallest_change(tmp_path):
    falling = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    assert stopped_at(EarlyStopping(patience=2), falling, tmp_path, mode="min") == 12
    assert stopped_at(EarlyStopping(patience=2), falling, tmp_path, mode="max") == 6
    assert stopped_at(EarlyStopping(patience=2, min_delta=0.15), falling, tmp_path, mode="min") == 12
    assert stopped_at(EarlyStopping(patience=1, min_delta=0.2), falling, tmp_path, mode="min") == 4


def test_off_without_a_patience_and_part_of_the_identity(tmp_path):
    assert EarlyStopping().build(facts(tmp_path)) is None
    assert EarlyStopping.affects_result


def test_needs_validation_data(tmp_path):
    with pytest.raises(BadInput, match="validation data"):
        EarlyStopping(patience=2).build(facts(tmp_path, monitor=""))
