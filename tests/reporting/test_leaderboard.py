"""leaderboard.csv and what is printed of it."""

import csv
from pathlib import Path
from statistics import fmean, stdev

import pytest
from scipy import stats

from pipeline.reporting.leaderboard import read, write
from pipeline.reporting.leaderboard_table import show_leaderboard, table
from tests.sweep_folders import grid, make_run, make_sweep, trial

SEEDS = {"a": [0.80, 0.82, 0.81], "b": [0.79, 0.83, 0.80], "c": [0.70, 0.73, 0.715]}


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def over_seeds(tmp_path: Path) -> Path:
    """Three configurations of three seeds, the third seed of the last is missing; and one that failed."""
    folder, trials = tmp_path / "seeds", []
    for number, (name, values) in enumerate(SEEDS.items()):
        ids = [f"{name}{seed}" for seed in range(3)]
        for seed, value in enumerate(values):
            if (name, seed) != ("c", 2):
                make_run(folder, ids[seed], {"val/f1": value, "test/f1": value - 0.1}, seed)
        trials.append(trial(number, [f"x={name}"], ids, value=fmean(values)))
    make_run(folder, "d0", None, error="RuntimeError: as asked")
    trials.append(trial(3, ["x=d"], ["d0"], state="failed"))
    return make_sweep(folder, trials, seeds=3)


def test_one_row_a_run_best_first_with_the_columns_of_ever(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.5, "x=2 strategy=lora": 0.75})
    make_run(folder, "bad", None, error="RuntimeError: as asked")
    trials = [trial(0, ["x=1"], ["run0"]), trial(1, ["x=2", "strategy=lora"], ["run1"])]
    make_sweep(folder, [trial(2, ["x=3"], ["bad"], state="failed"), *trials])
    write(folder)
    rows = rows_of(folder)
    start, end = ["id", "state", "overrides", "monitor", "optimized_metric"], ["error"]
    assert list(rows[0]) == [*start, "val/f1", "test/f1", "val/loss", *end]
    assert [row["id"] for row in rows] == ["run1", "run0", "bad"]
    assert rows[0]["overrides"] == "task=text_classification name=grid x=2 strategy=lora"
    assert (rows[0]["optimized_metric"], rows[0]["test/f1"], rows[0]["error"]) == ("0.75", "0.65", "")
    assert (rows[2]["state"], rows[2]["error"]) == ("failed", "RuntimeError: as asked")
    assert (folder / "best").resolve() == folder / "run1"


def test_less_can_be_better(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.5, "x=2": 0.75})
    make_sweep(folder, [trial(i, [f"x={i}"], [f"run{i}"]) for i in range(2)], mode="min")
    write(folder)
    assert [row["id"] for row in rows_of(folder)] == ["run0", "run1"]
    assert (folder / "best").readlink() == Path("run0")


def test_what_was_pruned_comes_behind_what_has_finished(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.5})
    make_run(folder, "cut", None, state="pruned", pruned={"step": 8, "why": "0.9 after 2"})
    pruned = trial(0, ["x=2"], ["cut"], state="pruned", value=0.9)
    waiting = trial(2, ["x=3"], [], state="pending")
    make_sweep(folder, [waiting, pruned, trial(1, ["x=1"], ["run0"], value=0.5)])
    board = write(folder)
    assert [each.trial.number for each in board.standings] == [1, 0, 2]
    assert [(row["state"], row["optimized_metric"]) for row in rows_of(folder)] == [
        ("finished", "0.5"),
        ("pruned", "0.9"),
        ("pending", ""),
    ]
    assert [row["error"] for row in rows_of(folder)] == ["", "0.9 after 2", ""]


def test_without_a_winner_there_is_no_best(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.5})
    write(folder)
    assert (folder / "best").is_symlink()
    make_run(folder, "bad", None, error="no")
    make_sweep(folder, [trial(0, ["x=1"], ["bad"], state="failed")])
    assert write(folder).best is None
    assert not (folder / "best").is_symlink()


def test_a_configuration_of_which_a_seed_has_failed_is_not_the_best(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.9})
    make_run(folder, "bad", None, 1, error="no")
    make_sweep(folder, [trial(0, ["x=1"], ["run0", "bad"], state="failed")], seeds=2)
    board = write(folder)
    assert board.best is None and board.standings[0].by_seed == {0: 0.9}
    assert not (folder / "best").is_symlink()


def test_over_seeds_means_intervals_and_a_paired_test(over_seeds: Path):
    board = write(over_seeds)
    rows = rows_of(over_seeds)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    a, b, c, d = rows
    assert [row["seeds"] for row in rows] == ["3", "3", "2", "0"]
    for row, values in ((a, SEEDS["a"]), (b, SEEDS["b"]), (c, SEEDS["c"][:2])):
        low, high = stats.t.interval(0.95, len(values) - 1, loc=fmean(values), scale=stats.sem(values))
        assert float(row["val/f1"]) == pytest.approx(fmean(values)) == float(row["optimized_metric"])
        assert float(row["val/f1/sd"]) == pytest.approx(stdev(values))
        assert (float(row["val/f1/low"]), float(row["val/f1/high"])) == pytest.approx((low, high))
    assert a["p"] == "" and d["p"] == "" and d["error"] == "RuntimeError: as asked"
    assert float(b["p"]) == pytest.approx(stats.ttest_rel(SEEDS["b"], SEEDS["a"]).pvalue)
    assert float(c["p"]) == pytest.approx(stats.ttest_rel(SEEDS["c"][:2], SEEDS["a"][:2]).pvalue)
    assert (b["pairs"], c["pairs"]) == ("3", "2")
    # Of the winner's seeds the one of the best validation score.
    assert board.best and (over_seeds / "best").readlink() == Path("a1")


def test_what_the_terminal_says_over_seeds(over_seeds: Path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    show_leaderboard(read(over_seeds))
    shown = capsys.readouterr().out
    half = stats.t.ppf(0.975, 2) * stats.sem(SEEDS["a"])
    assert "★ 0" in shown and f"0.8100 ± {half:.4f} (3 seeds)" in shown
    assert "no difference shown (p = 0.667, 3 seeds)" in shown and "2 comparisons" in shown
    assert "name=grid" not in shown and "x=b" in shown and "as asked" in shown


def test_what_the_terminal_says_of_single_runs(tmp_path: Path):
    folder = grid(tmp_path / "s", {"x=1": 0.5, "x=[a,b]": 0.75})
    make_run(folder, "bad", None, error="no [red]")
    trials = [trial(0, ["x=1"], ["run0"]), trial(1, ["x=[a,b]"], ["run1"])]
    make_sweep(folder, [*trials, trial(2, ["x=3"], ["bad"], state="failed")])
    assert table(read(folder)) == [
        ["run", "state", "val/f1", "overrides", "error"],
        ["★ run1", "finished", "0.7500", "x=[a,b]", ""],
        ["run0", "finished", "0.5000", "x=1", ""],
        ["bad", "failed", "", "x=3", "no [red]"],
    ]
