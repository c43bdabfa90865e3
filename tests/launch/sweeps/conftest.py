"""Sweeps whose jobs are frozen as they are and pretend to train: what they come to follows from their learning rate."""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from pipeline.compose.sweeping import read
from pipeline.launch.ready import Ready, get_ready
from pipeline.launch.sweeps import freezing, running, study
from pipeline.launch.sweeps.asked import Asked
from pipeline.runs.directory import FAILED, FINISHED, PRUNED, RunDirectory, write_whole
from tests.conftest import small_keys

Ask = Callable[..., Asked]
RATE = "optimizer.lr=tag(log,interval(1e-5,1e-1))"


class Pretend:
    """A launcher. fails: ids of runs, and how often each fails. prunes: those that a search ends.

    ran: ids in the order in which they were launched.
    """

    def __init__(self, here: bool = True, concurrent: bool = False) -> None:
        self.here, self.concurrent = here, concurrent
        self.ran: list[str] = []
        self.batches: list[int] = []
        self.fails: dict[str, int] = {}
        self.prunes: set[str] = set()
        self.while_running: Callable[[RunDirectory], object] = lambda run: None

    def __call__(self, runs: Sequence[RunDirectory]) -> list[BaseException | None]:
        self.batches.append(len(runs))
        return [self.run(run) for run in runs]

    def run(self, run: RunDirectory) -> BaseException | None:
        with run.working():
            self.ran.append(run.folder.name)
            run.update(state="running", starts=run.manifest()["starts"] + 1)
            self.while_running(run)
            if self.fails.get(run.folder.name, 0):
                self.fails[run.folder.name] -= 1
                run.update(state=FAILED, error="RuntimeError: as asked")
                return RuntimeError("as asked")
            if run.folder.name in self.prunes:
                run.update(state=PRUNED, pruned={"step": 1, "why": "as asked"})
                return None
            value = score(run)
            content = {
                "optimized_metric": value,
                "monitor": "val/accuracy",
                "mode": "max",
                "val/accuracy": value,
            }
            write_whole(run.folder / "metrics.json", json.dumps(content))
            run.update(state=FINISHED)
        return None


def score(run: RunDirectory) -> float:
    """Best at a learning rate of 1e-3; seeds differ a little."""
    config = OmegaConf.load(run.config)
    return 1 - 0.1 * abs(math.log10(config.optimizer.lr) + 3) + 0.01 * config.seed


@pytest.fixture
def ask(tiny_bert: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Ask:
    """What words ask for. Jobs are composed, and made ready, once in all calls of a test."""
    monkeypatch.chdir(tmp_path)
    cached: dict[int, tuple[Any, Ready]] = {}

    def ready(spec: Any) -> Ready:
        if id(spec) not in cached:
            cached[id(spec)] = spec, get_ready(spec)
        return cached[id(spec)][1]

    for module in (freezing, study):
        monkeypatch.setattr(module, "get_ready", ready)
    composing = {}

    def ask(*words: str) -> Asked:
        asked = read([*small_keys(tiny_bert, reviews)[:-1], "logger=none", *words])
        job = composing.setdefault("job", functools.cache(lambda words: asked.job(list(words))))
        return dataclasses.replace(asked, job=lambda words: job(tuple(words)))

    return ask


def sweep(asked: Asked, launch: Any) -> list[dict[str, Any]]:
    """Run it; the trials of sweep.json."""
    trials = running.prepare(asked)
    running.run(asked, trials, launch)
    return trials_of(trials.folder)


def trials_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "sweep.json").read_text())["trials"]
