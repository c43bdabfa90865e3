"""Numbers of many runs to a table; every case composes; one run is measured as a whole."""

import json

import pytest

from benchmarks.strategies import COLUMNS, STRATEGIES, TASKS, main, table
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from tests.models.families import random_model


def run(seed: int, score: float, task: str = "classification") -> dict:
    costs = {"trained": 0.0147, "memory_mib": 1_500.4, "cpu_seconds": 12.3, "checkpoint_mib": 1.32}
    return {"task": task, "strategy": "lora", "seed": seed, "score": score, **costs}


def test_means_and_intervals():
    runs = [run(seed, score) for seed, score in enumerate((0.8, 0.82, 0.84))]
    (row,) = table(runs)
    assert row == (
        "classification (accuracy)", "lora", "1.470%", "1,500", "12", "1.32", "82.0 ± 5.0", "3"
    )  # fmt: skip
    assert len(row) == len(COLUMNS)
    assert [each[-2] for each in table([run(0, 3.14159, "instructions")])] == ["3.142"]


@pytest.mark.parametrize(("task", "strategy"), [(t, s) for t in TASKS for s in STRATEGIES])
def test_cases_compose_or_are_refused(task: str, strategy: str):
    from pipeline.errors import BadInput

    case = TASKS[task]
    words = [*(word.format(data="/data") for word in case.words), f"strategy={strategy}", "logger=none"]
    if strategy == "bias_only" and strategy in case.without:
        with pytest.raises(BadInput, match="has no biases"):
            load(compose(words)).strategy.adapt(random_model("llama", "AutoModelForCausalLM"))
    elif strategy in case.without:
        with pytest.raises(BadInput, match="strategy"):
            load(compose(words))
    else:
        assert load(compose(words)).choices["strategy"] == strategy


def test_unknown_names_are_refused(tmp_path, capsys: pytest.CaptureFixture):
    for words, expected in (
        (["--strategies", "lorra"], "no lorra; there are: full, lora"),
        (["--tasks", "tagging"], "no tagging; there are: classification"),
        (["--tasks", "entities"], "no wnut17 in"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["--data", str(tmp_path), *words])
        assert left.value.code == 2
        assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_measured(tmp_path, warm):
    output = tmp_path / "strategies.json"
    words = [
        "--data",
        str(tmp_path),
        "--tasks",
        "classification",
        "--strategies",
        "bias_only",
        "--seeds",
        "3",
    ]
    main([*words, "--output", str(output), "data.limit=32", "trainer.max_steps=2", "hardware.threads=1"])
    (found,) = json.loads(output.read_text())["runs"]
    assert (found["task"], found["strategy"], found["seed"], found["steps"]) == (
        "classification", "bias_only", 3, 2
    )  # fmt: skip
    assert 100 < found["memory_mib"] < 10_000
    assert 0 < found["checkpoint_mib"] < 2 and 0 < found["trained"] < 0.01
    assert "bias_only" in output.with_suffix(".md").read_text()
