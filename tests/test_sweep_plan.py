"""`plan -m` of a search, and several seeds with and without -m."""

import csv
import json
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.sweep_plan import notes_of_seeds, plan_of_search
from tests.conftest import Command

RATE = "optimizer.lr=tag(log,interval(1e-5,1e-3))"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_search_is_planned_as_a_whole(small: list[str], tmp_path: Path) -> None:
    words = ["sweep=asha", "sweep.trials=12", "strategy=full,lora", "strategy.r=range(4,33,4)", RATE]
    words += ["trainer.max_epochs=null", "trainer.max_steps=30"]
    rows = dict(plan_of_search([*small, *words, "seeds=2", "seed=4"]))
    assert rows["sweep"] == "asha: 12 trials, one at a time"
    assert rows["optimizer.lr"] == "1e-05 … 0.001 (log)" and rows["strategy"] == "full, lora"
    assert rows["strategy.r"] == "4 … 32, every 4 (where the configuration has it)"
    assert rows["seeds"] == "2 runs of each configuration, seed 4 to 5"
    assert rows["one run"].startswith("30 steps, about ") and rows["in all"].startswith("at most 24 runs, ")
    assert not (tmp_path / "outputs").exists()


def test_a_grid_is_compared_job_by_job(small: list[str]) -> None:
    words = [*small, "optimizer.lr=1e-3,1e-4", "seeds=3"]
    assert plan_of_search(words) == []
    assert notes_of_seeds(words) == ["3 runs of each configuration, seed 0 to 2"]


def test_what_the_search_would_refuse_the_plan_refuses(small: list[str]) -> None:
    with pytest.raises(BadInput, match="unknown key") as raised:
        plan_of_search([*small, "sweep=random", "strategy=full,lora", "strategy.rank=2,4", RATE])
    assert [problem.where for problem in raised.value.problems] == ["strategy.rank"]


@pytest.mark.slow
def test_seeds_alone_are_a_sweep_of_one_configuration(
    small: list[str], command: Command, tmp_path: Path
) -> None:
    done = command("train", *small, "debug=fast", "seeds=2", "seed=3", "name=twice")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs/sweeps/twice"
    with (folder / "leaderboard.csv").open() as file:
        (row,) = csv.DictReader(file)
    (trial,) = json.loads((folder / "sweep.json").read_text())["trials"]
    assert trial["overrides"] == [] and len(trial["runs"]) == 2
    values = [json.loads((folder / name / "metrics.json").read_text()) for name in trial["runs"]]
    mean = sum(metrics["optimized_metric"] for metrics in values) / 2
    assert trial["value"] == pytest.approx(mean) == float(row["optimized_metric"])
    manifests = [json.loads((folder / name / "manifest.json").read_text()) for name in trial["runs"]]
    assert [manifest["result_relevant"].pop("seed") for manifest in manifests] == [3, 4]
    assert manifests[0]["result_relevant"] == manifests[1]["result_relevant"], "they differ in nothing else"


def test_a_search_without_m_is_told_what_is_missing(small: list[str], command: Command) -> None:
    done = command("train", *small, "sweep=optuna", RATE)
    assert done.returncode == 2 and "sweep: optuna goes over several runs" in done.stderr


def test_several_seeds_are_no_single_run_of_the_api(small: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ask for several runs"):
        Run.train([*small, "seeds=2"])
    assert not (tmp_path / "outputs").exists()
