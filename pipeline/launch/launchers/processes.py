"""One job in a process of its own on this machine, forked from one that has imported the libraries already."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.launch.launchers.base import Task, told
from pipeline.launch.launchers.output import into_logs
from pipeline.runs.directory import RunDirectory
from pipeline.runs.verification import serve_reloads
from pipeline.training import interruption

if TYPE_CHECKING:
    from pipeline.launch.launchers.slots import Slot

# Importing them takes longer than a short job. Forked processes share the pages, and nothing that one of them does
# reaches the next one. Where forking is not safe (macOS, Windows), processes start cold.
_PRELOADED = [
    "datasets",
    "pipeline.starting",
    "pipeline.launch.finish",
    "pipeline.data.module",
    "pipeline.training.module",
    "pipeline.training.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.modeling_utils",
    "transformers.generation",
    "sklearn.metrics",
    "peft",
]
_FORKS = sys.platform.startswith("linux")
_PROCESSES: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
# multiprocessing looks after its children wherever one is started: two threads at once take each other's exit codes.
_CHILDREN = threading.Lock()
_POLL_SECONDS = 0.1


def run_in_process(task: Task, run: RunDirectory, slot: Slot, abandoned: Callable[[], bool]) -> str:
    """Work on a frozen run in a process that has `slot` for itself; how that process ended, in words.

    A request to stop is passed on, and the process waited for. abandoned: asked now and then whether it is to be
    killed instead. What it prints goes to logs/stdout.log and logs/stderr.log of the run.
    """
    with _CHILDREN:
        if _FORKS:
            _PROCESSES.set_forkserver_preload(_PRELOADED)
            serve_reloads()
        process = _PROCESSES.Process(target=_work, args=(task, str(run.folder), slot, dict(os.environ)))
        process.start()
    asked = False
    while not connection.wait([process.sentinel], timeout=_POLL_SECONDS):
        if abandoned():
            _signal(process.pid, signal.SIGKILL)
        elif interruption.requested() and not asked:
            asked = _signal(process.pid, signal.SIGTERM)
    with _CHILDREN:
        process.join()
        code = process.exitcode or 0
        process.close()
    return (
        f"its process was ended by {signal.Signals(-code).name}"
        if code < 0
        else f"its process left with {code}"
    )


def _signal(pid: int | None, number: int) -> bool:
    """To the process, or, to kill, to all that it has started."""
    assert pid is not None
    # That it has just ended is noticed next.
    with contextlib.suppress(ProcessLookupError):
        if number == signal.SIGKILL and hasattr(os, "killpg"):
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    return True


def _work(task: Task, folder: str, slot: Slot, environment: dict[str, str]) -> None:
    """In the process of the job."""
    gc.freeze()  # What was imported stays, and its memory shared.
    with interruption.listening():
        if hasattr(os, "setsid"):
            os.setsid()  # Ctrl-C in the terminal is for the sweep, which passes it on.
        os.environ.clear()
        os.environ.update(environment)
        slot.occupy()
        into_logs(RunDirectory(Path(folder)))
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        code = told(task, folder)
    sys.stdout.flush()
    sys.stderr.flush()
    raise SystemExit(code)


def _leave_with_parent() -> None:
    """A sweep that is killed cannot pass on anything: its jobs notice, write a checkpoint and leave."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
