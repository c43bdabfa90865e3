"""sweep.json, read back."""

import json
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.runs.sweep_record import open_sweep
from tests.sweep_folders import grid, make_run, make_sweep, trial


def test_trials_are_ranked_and_the_best_is_a_finished_one(tmp_path: Path):
    trials = [
        trial(0, ["x=0"], [], value=0.99, state="pruned"),
        trial(1, ["x=1"], [], value=0.5),
        trial(2, ["x=2"], [], value=0.7),
        trial(3, ["x=3"], [], value=0.7),
        trial(4, ["x=4"], [], state="failed", error="no"),
        trial(5, ["x=5"], [], value=float("nan")),
    ]
    sweep = open_sweep(str(make_sweep(tmp_path / "s", trials)))
    assert [each.number for each in sweep.ranked()][:4] == [2, 3, 1, 5]
    assert sweep.best and sweep.best.number == 2
    lowest = open_sweep(str(make_sweep(tmp_path / "s", trials, mode="min")))
    assert lowest.best and lowest.best.number == 1


def test_nothing_has_won_where_nothing_has_finished(tmp_path: Path):
    states = ("pending", "running", "failed", "pruned")
    trials = [trial(i, [], [], state=state, value=0.5) for i, state in enumerate(states)]
    assert open_sweep(str(make_sweep(tmp_path / "s", trials))).best is None
    assert open_sweep(str(make_sweep(tmp_path / "s", []))).best is None


def test_runs_of_a_trial_are_those_that_are_there(tmp_path: Path):
    sweep = open_sweep(str(grid(tmp_path / "s", {"x=1": 0.5})))
    (run,) = sweep.runs(sweep.trials[0])
    assert run.manifest()["id"] == "run0"
    missing = make_sweep(tmp_path / "s", [trial(0, [], ["gone"])])
    assert open_sweep(str(missing)).runs(open_sweep(str(missing)).trials[0]) == []


def test_what_is_no_sweep_is_named(tmp_path: Path):
    grid(tmp_path / "heads", {"x=1": 0.5})
    make_run(tmp_path / "heads", "alone", {"val/f1": 0.5})
    cases = {
        "haeds": ("there is no folder", "heads"),
        "heads/alone": ("is a single run", ""),
        "heads/sweep.json": ("is a file", ""),
        ".": ("has no sweep.json", ""),
    }
    for name, (what, nearest) in cases.items():
        with pytest.raises(BadInput) as raised:
            open_sweep(str(tmp_path / name), "sweep.best")
        (problem,) = raised.value.problems
        assert problem.where == "sweep.best" and what in problem.what and problem.nearest == nearest


def test_a_newer_format_is_refused(tmp_path: Path):
    folder = make_sweep(tmp_path / "s", [])
    file = folder / "sweep.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    with pytest.raises(BadInput, match="newer hydratune"):
        open_sweep(str(folder))
