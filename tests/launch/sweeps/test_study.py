"""A search goes on after a crash as if there had been none, and lets nothing that fails spoil the rest."""

import json
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from pipeline.errors import BadInput, Problem
from pipeline.launch.sweeps import running
from pipeline.launch.sweeps.storage import open_storage
from tests.launch.sweeps.conftest import RATE, Ask, Pretend, sweep, trials_of

SEARCH = ["sweep=optuna", "sweep.trials=5", "sweep.startup=2", "name=s", RATE, "trainer.batch_size=8,16"]


class Crash(BaseException):
    """As sudden as a kill: nothing of ours catches it."""


def test_a_crash_at_any_write_changes_nothing(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(*SEARCH)
    expected = sweep(asked, Pretend())
    assert [trial["state"] for trial in expected] == ["finished"] * 5
    board = (tmp_path / "outputs/sweeps/s/leaderboard.csv").read_text()
    append, left, torn = JournalFileBackend.append_logs, [0], [False]

    def crashing(self: JournalFileBackend, logs: list) -> None:
        left[0] -= 1
        if left[0] == 0 and torn[0]:  # In the middle of a line.
            with Path(self._file_path).open("a") as file:
                file.write('{"op_code":')
        if left[0] == 0:
            raise Crash
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", crashing)
    shutil.rmtree(tmp_path / "outputs")
    crashes = 0
    # Each start comes some writes further than the one before it.
    for after in [2, 3, 1, 4, 2, 5, 3, 6, 4, 7, 3, 5, 8, 2, 60, 60]:
        left[0], torn[0] = after, after % 2 == 0
        try:
            sweep(asked, Pretend())
            break
        except Crash:
            crashes += 1
    assert crashes >= 8
    assert trials_of(tmp_path / "outputs/sweeps/s") == expected
    assert (tmp_path / "outputs/sweeps/s/leaderboard.csv").read_text() == board


def test_a_failing_trial_is_told_tried_again_and_ends_no_other(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ask(*SEARCH)
    expected = sweep(asked, Pretend())
    shutil.rmtree(tmp_path / "outputs")
    launch, ids = Pretend(), [trial["runs"][0] for trial in expected]
    launch.fails = {ids[0]: 1, ids[1]: 5}
    found = sweep(asked, launch)
    assert [trial["state"] for trial in found] == ["finished", "failed", "finished", "finished", "finished"]
    assert found[1]["error"] == "RuntimeError: as asked" and found[1]["value"] is None
    assert found[0] == expected[0], "it worked at the second try"
    assert [launch.ran.count(identity) for identity in ids[:2]] == [2, 2]
    told = capsys.readouterr().err
    assert f"{ids[0]} is tried again (1 of 1): RuntimeError: as asked" in told
    assert "trial 1 (" in told and "failed: RuntimeError: as asked" in told
    manifest = json.loads((tmp_path / f"outputs/sweeps/s/{ids[1]}/manifest.json").read_text())
    assert manifest["retries"] == 1
    again = Pretend()
    assert sweep(asked, again) == found and again.ran == [], "all of it has ended"


def test_more_trials_go_on_and_another_space_is_another_search(ask: Ask) -> None:
    few = sweep(ask(*SEARCH), Pretend())
    launch = Pretend()
    more = sweep(ask(*SEARCH, "sweep.trials=7"), launch)
    assert more[:5] == few and len(more) == 7 and len(launch.ran) <= 2
    with pytest.raises(BadInput, match=r"space\.optimizer\.lr was .*, and is interval\(0\.1,0\.2\) now"):
        running.prepare(ask(*SEARCH, "optimizer.lr=interval(0.1,0.2)"))
    with pytest.raises(BadInput, match=r"with nothing where there is trainer\.max_steps=3 now"):
        running.prepare(ask(*SEARCH, "trainer.max_steps=3", "hardware.micro_batch=4"))


def test_equal_values_are_one_run(ask: Ask) -> None:
    words = ["sweep=optuna", "sweep.trials=4", "name=equal", "trainer.batch_size=8,16"]
    launch = Pretend()
    found = sweep(ask(*words), launch)
    assert len(launch.ran) == len({trial["runs"][0] for trial in found}) == 2
    assert all(trial["state"] == "finished" for trial in found)


def test_a_trial_of_several_seeds_is_their_mean_and_fails_with_one(ask: Ask) -> None:
    words = [
        "sweep=optuna",
        "sweep.trials=2",
        "name=seeds",
        "optimizer.lr=1e-3,1e-3",
        "seeds=2",
        "sweep.retries=0",
    ]
    launch = Pretend(here=False)
    found = sweep(ask(*words), launch)
    # At a learning rate of 1e-3 the seeds 0 and 1 come to 1 and 1.01.
    assert [trial["value"] for trial in found] == [pytest.approx(1.005)] * 2
    assert launch.batches == [2] and len(found[0]["runs"]) == 2, "the second trial is like the first"
    assert found[0]["overrides"] == ["optimizer.lr=0.001"], "seeds are no part of what varies"
    launch.fails = {found[0]["runs"][1]: 9}
    again = sweep(ask(*words, "name=other"), launch)
    assert [trial["state"] for trial in again] == ["failed", "failed"]


def test_the_first_seed_of_a_pruned_trial_saves_the_others(ask: Ask, tmp_path: Path) -> None:
    asked = ask("sweep=asha", "sweep.trials=2", "name=asha", RATE, "seeds=3")
    launch = Pretend(here=False)
    found = sweep(asked, launch)
    assert launch.batches == [1, 2, 1, 2] and [trial["state"] for trial in found] == ["finished"] * 2
    shutil.rmtree(tmp_path / "outputs")
    launch = Pretend(here=False)
    launch.prunes = {found[0]["runs"][0]}
    again = sweep(asked, launch)
    assert launch.batches == [1, 1, 2] and [trial["state"] for trial in again] == ["pruned", "finished"]
    launch = Pretend(here=False)
    assert sweep(asked, launch) == again and launch.ran == []


def test_waves_learn_from_the_waves_before(ask: Ask) -> None:
    words = ["sweep=optuna", "sweep.trials=5", "sweep.startup=1", "sweep.jobs=2", "name=waves", RATE]
    launch = Pretend(here=False)
    assert all(trial["state"] == "finished" for trial in sweep(ask(*words), launch))
    assert launch.batches == [2, 2, 1]


def test_a_pool_keeps_its_places_full(ask: Ask) -> None:
    import threading

    words = ["sweep=optuna", "sweep.trials=6", "sweep.jobs=2", "name=pool", RATE]
    launch, both = Pretend(here=False, concurrent=True), threading.Barrier(2)
    launch.while_running = lambda run: both.wait(30)  # Nobody gets on alone.
    found = sweep(ask(*words), launch)
    assert [trial["state"] for trial in found] == ["finished"] * 6
    assert len(launch.ran) == 6 and set(launch.batches) == {1}


def test_a_trial_that_cannot_be_made_fails_by_itself(ask: Ask) -> None:
    words = ["sweep=optuna", "sweep.trials=3", "name=long", "task.max_length=16,17", RATE]
    asked = ask(*words)
    trials = running.prepare(asked)
    jobs = asked.jobs

    class Asked(type(asked)):  # type: ignore[misc]
        def jobs(self, chosen: list[str]) -> list:
            if "task.max_length=16" in chosen:
                raise BadInput(Problem("task.max_length", "too short"))
            return jobs(chosen)

    trials.asked = Asked(**vars(asked))  # type: ignore[union-attr]
    running.run(asked, trials, Pretend())
    found = trials_of(trials.folder)
    assert {(t["overrides"][0], t["state"], len(t["runs"])) for t in found} == {
        ("task.max_length=16", "failed", 0),
        ("task.max_length=17", "finished", 1),
    }


def test_a_database_of_several_machines(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trials.db"
    words = [*SEARCH, f"sweep.storage={url}"]
    found = sweep(ask(*words), Pretend())
    study = optuna.load_study(study_name="s", storage=url)
    assert [trial.value for trial in study.trials] == [trial["value"] for trial in found]
    assert not (tmp_path / "outputs/sweeps/s/study.journal").exists()
    assert url not in (tmp_path / "outputs/sweeps/s/sweep.json").read_text()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://user:secret@localhost/x", "psycopg"),
        ("sqlite:////nowhere/at/all.db", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used(url: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=what) as raised:
        open_storage(url, tmp_path)
    assert "secret" not in str(raised.value)


def test_a_search_needs_something_to_go_by(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no trial has a value"):
        running.prepare(ask("sweep=optuna", RATE, "data.split.validation=0", "name=blind"))
    with pytest.raises(BadInput, match="no metric is called 'val/speed'"):
        running.prepare(ask("sweep=asha", RATE, "trainer.monitor=val/speed", "name=blind"))
    with pytest.raises(BadInput, match="nothing is trained that could be pruned"):
        running.prepare(ask("sweep=asha", "data.limit=40,50", "train=false", "name=blind"))
    assert not (tmp_path / "outputs").exists()
