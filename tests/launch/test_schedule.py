"""How long a run trains, by every kind of budget, and which metric it watches."""

import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.launch.machine import Machine
from pipeline.launch.schedule import Schedule, schedule
from tests.specs import prepared, spec_of

CPU = Machine("cpu", 1, "32", None, 1)


def of(*overrides: str, machine: Machine = CPU, **changes) -> Schedule:
    return schedule(spec_of(["logger=none", *overrides]), prepared(**changes), machine)


@pytest.mark.parametrize(
    ("overrides", "epochs", "steps"),
    [
        (["trainer.max_epochs=3"], 3, 12),  # 100 rows in batches of 32
        (["trainer.max_epochs=3", "trainer.batch_size=50"], 3, 6),
        (["trainer.max_steps=5"], 2, 5),
        (["trainer.max_steps=4"], 1, 4),
        (["trainer.max_epochs=3", "trainer.max_steps=5"], 2, 5),
        (["trainer.max_epochs=1", "trainer.max_steps=5"], 1, 4),
        ([], 20, 80),  # 200 steps would be 50 epochs
        (["trainer.batch_size=8"], 16, 208),  # 13 steps an epoch
        (["trainer.max_minutes=5"], 1_000, 4_000),
    ],
)
def test_budgets(overrides: list[str], epochs: int, steps: int):
    found = of(*overrides)
    assert (found.epochs, found.total_steps) == (epochs, steps)


def test_large_data_is_passed_once():
    found = of(rows={"train": 100_000, "test": 10})
    assert found.epochs == 1 and found.total_steps == found.steps_per_epoch == 3_125


def test_a_budget_of_tokens(monkeypatch):
    from datasets import Dataset

    rows = Dataset.from_dict({"length": np.full(100, 10)})
    monkeypatch.setattr("pipeline.data.prepare.load_splits", lambda folder, kind: {"train": rows})
    assert of("trainer.max_tokens=640").total_steps == 2  # 320 tokens a step
    assert of("trainer.max_tokens=641").total_steps == 3
    assert of("trainer.max_tokens=641", "trainer.max_steps=1").total_steps == 1


def test_accumulation_and_processes():
    assert of("trainer.batch_size=32", machine=Machine("cpu", 1, "32", 8, 1)).accumulate == 4
    assert of("trainer.batch_size=32", machine=Machine("cpu", 2, "32", 8, 1)).accumulate == 2
    assert of("trainer.batch_size=32", machine=Machine("cpu", 2, "32", None, 1)).accumulate == 1


def test_what_is_watched():
    assert (of().monitor, of().mode) == ("val/accuracy", "max")
    assert (of("trainer.monitor=val/loss").monitor, of("trainer.monitor=val/loss").mode) == (
        "val/loss",
        "min",
    )
    several = {"train": 100, "validation_news": 10, "validation_film": 10}
    assert of(rows=several).monitor == "val/news/accuracy"
    assert of("trainer.monitor=val/film/f1", rows=several).monitor == "val/film/f1"
    nothing = of(rows={"train": 100})
    assert nothing.monitor is None


def test_a_metric_that_is_not_reported():
    with pytest.raises(BadInput, match="did you mean: val/f1"):
        of("trainer.monitor=val/f2")
    with pytest.raises(BadInput, match="needs validation data"):
        of("trainer.monitor=val/f1", rows={"train": 100})
