"""How long a run trains, by every kind of budget, and which metric it watches."""

from dataclasses import replace

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
        (["strategy=full"], 50, 200),
        (["strategy=lora"], 75, 300),
        (["trainer.batch_size=100"], 100, 100),
        (["strategy=full", "trainer.batch_size=8"], 16, 208),  # 13 steps an epoch
        (["trainer.max_minutes=5"], 1_000, 4_000),
    ],
)
def test_budgets(overrides: list[str], epochs: int, steps: int):
    found = of(*overrides)
    assert (found.epochs, found.total_steps) == (epochs, steps)


def test_large_data_is_passed_once():
    found = of(rows={"train": 100_000, "test": 10})
    assert found.epochs == 1 and found.total_steps == found.steps_per_epoch == 3_125


def test_many_classes_take_more_steps():
    rows = {"train": 2_250, "test": 10}  # 71 steps an epoch
    found = {
        classes: of("strategy=full", rows=rows, head={"labels": list(range(classes))}).epochs
        for classes in (0, 40, 77, 200)
    }
    assert found == {0: 3, 40: 3, 77: 6, 200: 15}
    assert of("trainer.max_epochs=2", rows=rows, head={"labels": list(range(77))}).epochs == 2


@pytest.mark.usefixtures("of_ten_tokens")
def test_a_budget_of_tokens():
    assert of("trainer.max_tokens=640").total_steps == 2  # 320 tokens a step
    assert of("trainer.max_tokens=641").total_steps == 3
    assert of("trainer.max_tokens=641", "trainer.max_steps=1").total_steps == 1


def test_accumulation_and_processes():
    assert of("trainer.batch_size=32", machine=Machine("cpu", 1, "32", 8, 1)).accumulate == 4
    assert of("trainer.batch_size=32", machine=Machine("cpu", 2, "32", 8, 1)).accumulate == 2
    assert of("trainer.batch_size=32", machine=Machine("cpu", 2, "32", None, 1)).accumulate == 1


@pytest.mark.parametrize("stream", [None, {"whole": False}])
def test_every_process_has_an_example_of_a_step(stream: dict[str, bool] | None):
    three = Machine("cpu", 3, "32", None, 1)
    assert of("trainer.batch_size=3", "trainer.max_steps=7", machine=three, stream=stream).total_steps == 7
    with pytest.raises(BadInput, match=r"(?s)trainer\.batch_size: 2, and each of 3 processes.*at least 3"):
        of("trainer.batch_size=2", "trainer.max_steps=7", machine=three, stream=stream)


@pytest.fixture
def of_ten_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import Dataset

    rows = Dataset.from_dict({"length": np.full(100, 10)})
    monkeypatch.setattr("pipeline.data.prepare.load_splits", lambda folder, kind: {"train": rows})


@pytest.mark.usefixtures("of_ten_tokens")
def test_steps_counted_in_tokens():
    assert of("trainer.batch_tokens=100", "trainer.max_epochs=3").total_steps == 30
    assert of("trainer.batch_tokens=101", "trainer.max_epochs=3").total_steps == 30
    assert of("trainer.batch_tokens=99", "trainer.max_epochs=3").total_steps == 33
    assert of("trainer.batch_tokens=100", "trainer.max_tokens=501").total_steps == 6
    cut = of("trainer.batch_tokens=100", machine=Machine("cpu", 2, "32", None, 1, micro_tokens=25))
    assert (cut.accumulate, cut.steps_per_epoch) == (2, 10)


@pytest.mark.usefixtures("of_ten_tokens")
@pytest.mark.parametrize(
    ("tokens", "machine", "where", "least"),
    [
        (15, Machine("cpu", 2, "32", None, 1), "trainer.batch_tokens", 40),
        (100, Machine("cpu", 1, "32", None, 1, micro_tokens=5), "hardware.micro_tokens", 40),
        # No way to cut it would help.
        (9, Machine("cpu", 1, "32", None, 1, micro_tokens=5), "trainer.batch_tokens", 20),
    ],
)
def test_too_few_tokens_for_every_process(tokens: int, machine: Machine, where: str, least: int):
    with pytest.raises(
        BadInput, match=rf"(?s){where}: .* tokens are too few: .*allowed: {least} or more"
    ) as caught:
        of(f"trainer.batch_tokens={tokens}", machine=machine)
    assert len(caught.value.problems) == 1
    # What is advised is enough.
    if where.startswith("trainer"):
        tokens, machine = least, replace(machine, micro_tokens=None)
    else:
        machine = replace(machine, micro_tokens=least)
    assert of(f"trainer.batch_tokens={tokens}", machine=machine).total_steps > 0


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["hardware.micro_tokens=50"], "hardware.micro_tokens"),
        (["trainer.batch_tokens=100", "hardware.micro_batch=4"], "hardware.micro_batch"),
        (
            ["trainer.batch_tokens=100", "data=files", "data.train=a.csv", "data.streaming=true"],
            "trainer.batch_tokens",
        ),
    ],
)
def test_two_ways_to_count_exclude_each_other(words: list[str], where: str):
    with pytest.raises(BadInput) as caught:
        spec_of(["logger=none", *words])
    assert where in [problem.where for problem in caught.value.problems]


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
