"""Searches as real commands: killed again and again, two at once, pruned in two processes at once."""

import json
import random
import time
from pathlib import Path

import optuna
import pytest

from pipeline.compose.sweeping import read
from pipeline.launch.sweeps.study import Study
from pipeline.runs.directory import RunDirectory
from tests.conftest import Command, kill, manifest_of, start
from tests.launch.sweeps.conftest import RATE, trials_of

KILLS = 10
SWEEP = Path("outputs/sweeps/s")
SHORT = [
    "data.limit=64",
    "trainer.batch_size=16",
    "trainer.max_epochs=2",
    "callbacks.progress=null",
    "name=s",
]


@pytest.mark.slow
def test_killed_ten_times_it_ends_as_if_never(small: list[str], command: Command, tmp_path: Path) -> None:
    words = [
        "-m",
        *small,
        *SHORT,
        "sweep=asha",
        "sweep.trials=4",
        "sweep.startup=2",
        "sweep.reduction=2",
        RATE,
    ]
    words += ["trainer.monitor=val/loss"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    done = command("train", *words, cwd=whole)
    assert done.returncode == 0, done.stderr
    expected = trials_of(whole / SWEEP)
    assert {trial["state"] for trial in expected} == {"finished", "pruned"}
    draw, killed = random.Random(0), 0
    for _ in range(KILLS):
        before, process = changes(cut), start(cut, *words)
        while changes(cut) == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 1))
        killed += process.poll() is None
        kill(cut, process)
    assert killed >= KILLS // 2
    done = command("train", *words, cwd=cut)
    assert done.returncode == 0, done.stderr
    assert trials_of(cut / SWEEP) == expected
    boards = [(folder / SWEEP / "leaderboard.csv").read_text() for folder in (whole, cut)]
    assert boards[0] == boards[1]


def changes(folder: Path) -> list[int]:
    """Whether a sweep has got anywhere."""
    files = [*folder.glob(f"{SWEEP}/*/manifest.json"), *folder.glob(f"{SWEEP}/study.journal")]
    return [file.stat().st_size for file in files]


@pytest.mark.slow
def test_two_processes_share_a_search(small: list[str], command: Command, tmp_path: Path) -> None:
    words = ["-m", *small, *SHORT, "sweep=optuna", "sweep.sampler=random", "sweep.trials=5", RATE]
    other = start(tmp_path, *words)
    done = command("train", *words)
    assert done.returncode == 0, done.stderr
    assert other.wait(60) == 0, other.stderr and other.stderr.read()
    trials = trials_of(tmp_path / SWEEP)
    assert [trial["state"] for trial in trials] == ["finished"] * 5
    starts = [manifest_of(tmp_path / SWEEP / trial["runs"][0])["starts"] for trial in trials]
    assert starts == [1] * 5, "nothing is done twice"
    rates = [trial["overrides"][0] for trial in trials]
    drawn = [optuna_draw(number) for number in range(5)]
    assert rates == drawn, "what each draws follows from its number, whoever asks"


def optuna_draw(number: int) -> str:
    from pipeline.launch.sweeps.sampling import Numbered, suggest
    from pipeline.launch.sweeps.space import Interval

    study = optuna.create_study(sampler=Numbered(0))
    trials = [study.ask() for _ in range(number + 1)]
    return suggest(trials[-1], Interval("optimizer.lr", "", 1e-5, 1e-1, log=True))


@pytest.mark.slow
def test_a_pruned_run_of_two_processes_leaves_none(
    small: list[str], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *[word for word in small if not word.startswith("hardware")],
        *SHORT,
        "sweep=asha",
        "sweep.trials=2",
        "sweep.reduction=2",
        RATE,
        "trainer.monitor=val/loss",
    ]
    words += ["hardware=ddp", "hardware.accelerator=cpu", "hardware.threads=1", "trainer.evaluate_every=1"]
    monkeypatch.chdir(tmp_path)
    study = Study.of(read(words))
    (first,) = study.claim(1)
    trial = optuna.trial.Trial(study.study, study.study.trials[0]._trial_id)
    trial.report(0.0, 1)  # Nobody can do as well.
    study.study.tell(0, 0.0)
    first.lock.release()
    done = command("train", "-m", *words)  # It reads until the last process that could write has ended.
    assert done.returncode == 0, done.stderr
    _, second = trials_of(tmp_path / SWEEP)
    assert (second["state"], second["error"]) == ("pruned", None) and 0 < second["value"] < 1
    run = RunDirectory(tmp_path / SWEEP / second["runs"][0])
    manifest = run.manifest()
    assert manifest["state"] == "pruned" and manifest["pruned"]["step"] == 1
    assert manifest["pruned"]["why"].endswith("of 2 that came as far one in 2 goes on, from 0.0000")
    assert not run.is_worked_on() and not (run.folder / "metrics.json").exists()
    assert json.loads((run.folder / "manifest.json").read_text())["starts"] == 1
    assert second["runs"][0] in done.stdout and "pruned" in done.stdout, "it is shown"
