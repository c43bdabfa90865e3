"""`sweep.best=DIR`: the winner's words in front of a call's own."""

from pathlib import Path

import pytest

from pipeline.compose.best import take_best
from pipeline.compose.command_line import Call, check
from pipeline.compose.sweeping import read
from pipeline.errors import BadInput, Problem
from tests.sweep_folders import grid, make_sweep, trial


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return grid(
        tmp_path / "a sweep",
        {"optimizer.lr=1e-05 strategy=full": 0.5, "optimizer.lr=0.01 strategy=lora": 0.75},
    )


def test_the_winners_words_come_first(sweep: Path):
    given = ("task=text_classification", f"sweep.best='{sweep}'", "optimizer.lr=1")
    assert take_best(given).words == ("optimizer.lr=0.01", "strategy=lora", *given)
    assert take_best(given).winner == ("optimizer.lr=0.01", "strategy=lora")


@pytest.mark.parametrize(
    "words", [(), ("seed=1",), ("sweep.best=null",), ("sweep.best=x", "sweep.best=null")]
)
def test_without_a_sweep_nothing_is_added(words: tuple[str, ...]):
    assert take_best(words).words == words


def test_a_folder_without_a_winner_is_refused(tmp_path: Path):
    states = [trial(0, [], [], state="failed"), trial(1, [], [], state="pending")]
    make_sweep(tmp_path / "s", states)
    cases = {
        f"sweep.best={tmp_path / 's'}": "no trial of .* has finished with a score: 1 failed, 1 pending",
        f"sweep.best={tmp_path / 't'}": "there is no folder",
        f"sweep.best={tmp_path}": "it has no sweep.json",
        "sweep.best=a,b": "several values: a,b",
    }
    for word, what in cases.items():
        with pytest.raises(BadInput, match=what) as raised:
            take_best([word])
        assert [problem.where for problem in raised.value.problems] == ["sweep.best"]


def test_a_problem_of_a_word_that_nobody_typed_says_where_that_is_from(sweep: Path):
    taken = take_best([f"sweep.best='{sweep}'", "optimizer.lr=-1"])
    with pytest.raises(BadInput) as raised, taken.told():
        raise BadInput(
            [Problem("strategy", "no option"), Problem("optimizer.lr", "too low"), Problem("seed", "no")]
        )
    assert [problem.what for problem in raised.value.problems] == [
        "no option (it is of the trial that sweep.best takes)",
        "too low",
        "no",
    ]


def test_a_call_is_composed_with_the_winners_words_and_its_own_win(sweep: Path, here: Path):
    (stage,) = check(Call("train", (f"sweep.best='{sweep}'", "strategy.r=3")))
    assert (stage.spec.optimizer.lr, stage.spec.choices["strategy"], stage.spec.strategy.r) == (
        0.01,
        "lora",
        3,
    )  # type: ignore[union-attr, attr-defined]
    assert stage.spec.sweep.best == str(sweep)
    assert "optimizer.lr=0.01" in stage.composed.overrides
    (stage,) = check(Call("train", ("optimizer.lr=0.5", "strategy=full", f"sweep.best='{sweep}'")))
    assert (stage.spec.optimizer.lr, stage.spec.choices["strategy"]) == (0.5, "full")  # type: ignore[union-attr]


def test_a_winners_word_that_no_longer_composes_is_told(sweep: Path, here: Path):
    make_sweep(sweep, [trial(0, ["strategy=lora", "strategy.r=4"], [], value=0.5)])
    with pytest.raises(BadInput) as raised:
        check(Call("train", (f"sweep.best='{sweep}'", "strategy=full", "seed=-1")))
    assert [(p.where, "of the trial" in p.what) for p in raised.value.problems] == [
        ("strategy.r", True),
        ("seed", False),
    ]


def test_a_file_cannot_ask_for_a_winner(sweep: Path, here: Path, write):
    write("conf/experiment/again.yaml", f"# @package _global_\n# Again.\nsweep:\n  best: '{sweep}'\n")
    with pytest.raises(BadInput, match="is asked for in a file"):
        check(Call("train", ("experiment=again",)))


def test_a_sweep_starts_from_a_winner_too(sweep: Path, here: Path):
    asked = read([f"sweep.best='{sweep}'", "optimizer.lr=0.001,0.002", "strategy.r=2"])
    assert asked.space == {"optimizer.lr": "0.001,0.002"} and "strategy=lora" in asked.common
    (job,) = asked.jobs(["optimizer.lr=0.002"])
    assert (job.spec.optimizer.lr, job.spec.choices["strategy"]) == (0.002, "lora")  # type: ignore[union-attr]
    assert job.spec.sweep.best == str(sweep)
    make_sweep(sweep, [trial(0, ["strategy.foo=4"], [], value=0.5)])
    with pytest.raises(BadInput, match="it is of the trial that"):
        read([f"sweep.best='{sweep}'", "seed=1,2"]).jobs(["seed=1"])
