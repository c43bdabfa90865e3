"""Words that `evaluate` and `predict` do not take, and runs that they cannot use."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.compose.using import open_finished
from pipeline.errors import BadInput


def problems(folder: Path | None, *overrides: str, command: str = "predict") -> list:
    with pytest.raises(BadInput) as raised:
        open_finished(str(folder) if folder else None, overrides, command=command)
    return raised.value.problems


def in_state(run: Path, state: str, target: Path) -> Path:
    """A copy of the run's frozen files that says of itself to be in this state."""
    target.mkdir()
    manifest = json.loads((run / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps({**manifest, "state": state}))
    for name in ("config.yaml", "overrides.yaml"):
        shutil.copy(run / name, target / name)
    return target


def test_unknown_keys_are_told_from_those_of_training(finished: Path):
    typo, other, training, seed = problems(
        finished, "inptu=new.csv", "outputs=p.csv", "optimizer.lr=1", "seed=3"
    )
    assert (typo.what, typo.nearest) == ("unknown key", "input")
    assert (other.what, other.nearest) == ("unknown key", "output")
    for problem in (training, seed):
        assert "belongs to how the run was trained" in problem.what and "hardware" in problem.allowed


def test_everything_at_once(finished: Path):
    found = problems(finished, "inptu=a", "data.colums.text=b", "hardware=gp", "nonsense")
    assert {problem.where for problem in found} == {"inptu=a", "data.colums", "hardware", "nonsense"}
    which, typo = problems(None, "rnu=outputs/x")
    assert which.what == "which run?" and typo.nearest == "run"
    assert len(problems(finished / "no", "inptu=a")) == 2


def test_evaluate_takes_no_files_to_predict(finished: Path):
    (problem,) = problems(finished, "input=new.csv", command="evaluate")
    assert "data.test=FILE" in problem.allowed


def test_a_run_that_was_killed_is_not_running(finished: Path, tmp_path: Path):
    (problem,) = problems(in_state(finished, "running", tmp_path / "killed"))
    assert "has not finished, and no process works on it" in problem.what
    assert f"pipeline.train resume={tmp_path / 'killed'}" in problem.allowed
    (problem,) = problems(in_state(finished, "failed", tmp_path / "failed"))
    assert "is failed: it has no finished model" in problem.what


def test_a_run_that_is_running(finished: Path, tmp_path: Path):
    from pipeline.runs.directory import RunDirectory

    folder = in_state(finished, "running", tmp_path / "busy")
    with RunDirectory(folder).working():
        (problem,) = problems(folder)
    assert "is being trained now" in problem.what and "resume" not in problem.allowed
