"""A sweep from what is asked for to its leaderboard, in this process and beside others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

from pipeline.errors import Interrupted
from pipeline.launch.sweeps.asked import Asked
from pipeline.launch.sweeps.listed import Listed
from pipeline.launch.sweeps.locks import Locks
from pipeline.launch.sweeps.record import Recorder
from pipeline.launch.sweeps.spec import Asha, Search
from pipeline.launch.sweeps.study import Study
from pipeline.launch.sweeps.trials import OVER
from pipeline.launch.sweeps.wandb_summary import log_summary
from pipeline.launch.sweeps.working import Launch, Worker
from pipeline.reporting.leaderboard import Leaderboard, write

# Seconds between two looks at what other processes do.
_LOOK = 0.5
# Trials in one go: each holds two files open, and systems let a process have about a thousand.
_MOST = 256
# Seconds between two records, while many jobs run.
_WATCH = 5.0


def prepare(asked: Asked) -> Listed | Study:
    """Check everything and make the sweep's folder. Raises BadInput before anything is written."""
    return Study.of(asked) if isinstance(asked.sweep, Search) else Listed.of(asked)


def run(asked: Asked, trials: Listed | Study, launch: Launch) -> Leaderboard:
    """Work until no trial is left, here or in another process of the same sweep.

    Raises Interrupted where jobs were asked to stop: the same command goes on.
    """
    recorder = Recorder(asked, trials, trials.folder, trials.ready)
    writing = threading.Lock()

    def changed() -> None:
        with writing, Locks(trials.folder).hold("record"):
            recorder.write()

    worker = Worker(
        trials,
        launch,
        trials.locks,
        retries=asked.sweep.retries,
        first_alone=isinstance(asked.sweep, Asha),
        changed=changed,
    )
    changed()
    try:
        _work(worker, asked, trials)
    finally:
        changed()
    board = write(trials.folder)
    log_summary(trials.ready.spec, trials.folder, recorder.write())
    if left := [trial.number for trial in trials.all() if trial.outcome.state not in OVER]:
        raise Interrupted(f"{len(left)} trials are not over: the same command goes on with them")
    return board


def _work(worker: Worker, asked: Asked, trials: Listed | Study) -> None:
    if worker.launch.here:
        _loop(worker, 1)  # One after another, so what is not begun yet is left to other processes.
    elif asked.sweep.jobs is None:
        with _watching(worker.changed):
            _loop(worker, 1 if isinstance(trials, Study) else _MOST)
    elif worker.launch.concurrent:
        _pool(worker, min(asked.sweep.jobs, _MOST))
    else:
        with _watching(worker.changed):
            _loop(worker, min(asked.sweep.jobs, _MOST))


@contextmanager
def _watching(changed: Callable[[], object]) -> Iterator[None]:
    """Keep the record up to date while a launcher works on many jobs in one go."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH):
            changed()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _loop(worker: Worker, size: int, stop: threading.Event | None = None) -> None:
    while stop is None or not stop.is_set():
        if wave := worker.trials.claim(size):
            worker.work(wave)
        elif worker.trials.all_over():
            return
        else:
            time.sleep(_LOOK)


def _pool(worker: Worker, size: int) -> None:
    """A thread a place: whichever is free takes the next trial. Signals reach this thread alone, and no new trial is
    begun after one."""
    from pipeline.training import interruption

    stop = threading.Event()
    with interruption.listening(), ThreadPoolExecutor(size) as pool:
        # Where configuration files are looked for is kept in a context, which a thread has of its own.
        places = [pool.submit(copy_context().run, _loop, worker, 1, stop) for _ in range(size)]
        while not all(place.done() for place in places):
            broken = any(place.done() and place.exception() for place in places)
            if broken or interruption.requested():
                stop.set()
            time.sleep(0.1)
    for place in places:
        place.result()
