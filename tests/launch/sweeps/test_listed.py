"""Grids and random draws: all frozen first, each run once, whoever works on it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import BadInput, Interrupted
from pipeline.launch.sweeps import running
from tests.launch.sweeps.conftest import RATE, Ask, Pretend, sweep, trials_of

GRID = ["optimizer.lr=1e-3,1e-4", "trainer.batch_size=8,16", "name=g"]


def test_a_grid_keeps_its_order_and_is_handed_over_whole(ask: Ask, tmp_path: Path) -> None:
    launch = Pretend(here=False)
    found = sweep(ask(*GRID), launch)
    assert launch.batches == [4]
    assert [trial["overrides"] for trial in found] == [
        [f"optimizer.lr={rate}", f"trainer.batch_size={size}"] for rate in (0.001, 0.0001) for size in (8, 16)
    ]
    assert [trial["value"] for trial in found] == pytest.approx([1.0, 1.0, 0.9, 0.9])
    few = Pretend(here=False)
    more = sweep(ask(*GRID, "trainer.batch_size=8,16,32", "sweep.jobs=1"), few)
    assert few.batches == [1, 1] and len(more) == 6, "what has finished is not run again"


def test_two_of_the_same_grid_share_the_work(ask: Ask) -> None:
    asked = ask(*GRID)
    launches = [Pretend(), Pretend()]
    both = [running.prepare(asked) for _ in launches]
    with ThreadPoolExecutor(2) as pool:
        boards = list(pool.map(running.run, [asked] * 2, both, launches))
    ran = [identity for launch in launches for identity in launch.ran]
    assert len(ran) == len(set(ran)) == 4
    assert boards[0].rows == boards[1].rows and len(boards[0].rows) == 4


def test_random_draws_go_on_with_more(ask: Ask) -> None:
    few = sweep(ask("sweep=random", "sweep.trials=2", RATE), Pretend())
    launch = Pretend()
    more = sweep(ask("sweep=random", "sweep.trials=4", RATE), launch)
    assert more[:2] == few and len(launch.ran) == 2, "also without a name it is the same sweep"


def test_a_stop_is_told_and_the_same_call_goes_on(ask: Ask, tmp_path: Path) -> None:
    class Stopped(Pretend):
        def run(self, run):  # type: ignore[no-untyped-def]
            if len(self.ran) == 2:
                run.update(state="interrupted", starts=1)
                return Interrupted("asked to stop")
            return super().run(run)

    for here in (True, False):
        name = f"name=stop{here}"
        with pytest.raises(Interrupted):
            sweep(ask(*GRID, name), Stopped(here=here))
        states = [trial["state"] for trial in trials_of(tmp_path / f"outputs/sweeps/stop{here}")]
        assert states == ["finished", "finished", "pending", "pending"]
        launch = Pretend(here=here)
        assert {trial["state"] for trial in sweep(ask(*GRID, name), launch)} == {"finished"}
        assert len(launch.ran) == 2


def test_another_sweep_of_the_same_name_is_left_alone(ask: Ask, tmp_path: Path) -> None:
    sweep(ask("optimizer.lr=1e-3,1e-4", "name=mine"), Pretend())
    before = trials_of(tmp_path / "outputs/sweeps/mine")
    for words in (["optimizer.lr=1e-3,1e-2"], ["sweep=random", RATE], ["sweep=optuna", RATE]):
        with pytest.raises(BadInput, match="holds another sweep") as raised:
            running.prepare(ask(*words, "name=mine"))
        assert [problem.where for problem in raised.value.problems] == ["name"]
        assert trials_of(tmp_path / "outputs/sweeps/mine") == before
        assert not (tmp_path / "outputs/sweeps/mine/study.journal").exists()
    assert sweep(ask("optimizer.lr=1e-3,1e-4,1e-2", "name=mine"), Pretend())[:2] == before


def test_a_mistake_in_any_trial_stops_all(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as raised:
        running.prepare(ask("optimizer.lr=1e-3,-1", "trainer.batch_size=8,0", "name=g"))
    assert {problem.where for problem in raised.value.problems} == {"optimizer.lr", "trainer.batch_size"}
    assert not (tmp_path / "outputs").exists()


def test_a_job_that_leaves_no_word_has_failed(ask: Ask) -> None:
    class Silent(Pretend):
        def run(self, run):  # type: ignore[no-untyped-def]
            self.ran.append(run.folder.name)

    launch = Silent()
    found = sweep(ask("optimizer.lr=1e-3,1e-4", "name=silent"), launch)
    assert [(trial["state"], trial["error"]) for trial in found] == [
        ("failed", "its process ended without a word")
    ] * 2
    assert len(launch.ran) == 4, "each was tried again once"
