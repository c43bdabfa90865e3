"""CPU time of the processes that a benchmark starts: what they would take on idle cores."""

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # prctl(2)


def cpu_seconds() -> float:
    """Of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def orphans_too() -> Iterator[None]:
    """Within, what a process leaves running when it ends is waited for at the end, so that its time is counted: as the
    server that forks the jobs of a sweep. Nothing else may be started meanwhile. On Linux."""
    if not sys.platform.startswith("linux"):
        yield
        return
    before, prctl = _children(), ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
        while left := _children() - before:
            for process in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process, 0)
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children() -> set[int]:
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # It has ended since.
            found |= set(map(int, (thread / "children").read_text().split()))
    return found
