"""Notices that this process makes no progress any more, says what it is doing, and ends it.

One of several processes that does not arrive where the others wait makes all of them wait. Each watches itself: marks
are the places of the program that it passes, the same ones in every process. After too long without a new one it writes
the stacks of all its threads into its log and what it was doing into its report, and ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from pipeline.errors import FAILED
from pipeline.runs.directory import RunDirectory
from pipeline.runs.ranks import Report, write

# Files of which the innermost frame of a process that waits for others is one.
_WAITING = ("/torch/distributed/", "/torch/autograd/", "/torch/nn/parallel/", "/lightning/")
# The process whose Python is stuck too is ended by faulthandler, which needs no interpreter, so much later.
_LATER = 1.25
_BEAT = 15.0
_watchdog: Watchdog | None = None


class Watchdog:
    """Watches the main thread until :meth:`stop`.

    seconds: how long no progress may take, from the first mark on. log: gets the stacks. parent: the process without
    which this one is to end. at_end: called once a hang is reported.
    """

    def __init__(
        self,
        run: RunDirectory,
        report: Report,
        seconds: float,
        log: TextIO,
        parent: int,
        at_end: Callable[[Report], None],
    ) -> None:
        self.run, self.report, self.seconds, self.log, self.at_end = run, report, seconds, log, at_end
        self._main = threading.main_thread().ident
        self._parent, self._stopped = parent, threading.Event()
        self._marked, self._beaten, self._written = time.monotonic(), 0.0, 0
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        write(self.run, self.report)
        self._thread.start()

    def mark(self, place: str, counts: bool = True) -> None:
        """The process has passed a place; one that ``counts`` is passed equally often by every process."""
        self.report.marks += counts
        self.report.last, self._marked = place, time.monotonic()

    def stop(self) -> None:
        self._stopped.set()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        pause = min(1.0, self.seconds / 10)
        marked = 0.0
        while not self._stopped.wait(pause):
            if not _lives(self._parent):
                self._note("who started it is gone, and nobody would end it")
                os._exit(FAILED)
            self._beat()
            if not self.report.marks:
                continue  # It prepares, for which the others wait as long as that takes.
            if self._marked != marked:
                marked = self._marked
                left = self.seconds * _LATER
                faulthandler.dump_traceback_later(left, exit=True, file=self.log)
            if time.monotonic() - self._marked > self.seconds:
                self._give_up()

    def _beat(self) -> None:
        """The report says now and then how far this process is: one whose Python is stuck says nothing later."""
        if self.report.marks != self._written and time.monotonic() - self._beaten > _BEAT:
            self._written, self._beaten = self.report.marks, time.monotonic()
            write(self.run, self.report)

    def _note(self, what: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.log.write(f"\nrank {self.report.rank}: {what}\n")
            self.log.flush()

    def _give_up(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._note(f"no progress for {self.seconds:g} seconds, since '{self.report.last}'; all threads:")
        faulthandler.dump_traceback(file=self.log, all_threads=True)
        frame = sys._current_frames().get(self._main or 0)
        self.report.kind, self.report.error = "hang", f"no progress since '{self.report.last}'"
        self.report.at, self.report.waits = place_of(frame), waits(frame)
        write(self.run, self.report)
        self.at_end(self.report)
        os._exit(FAILED)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def place_of(frame: FrameType | None) -> str:
    """``sleepy.py:12 on_train_batch_start``: the innermost line that is not a library's, and that of the library."""
    return _innermost(traceback.extract_stack(frame)) if frame else ""


def _innermost(frames: traceback.StackSummary) -> str:
    own = [
        each for each in frames if "site-packages" not in each.filename and "/lib/python" not in each.filename
    ]
    lines = [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in (own or frames)[-1:]]
    if own and own[-1] is not frames[-1]:
        lines.append(f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}")
    return ", in ".join(lines)


def place_of_error(error: BaseException) -> str:
    """The same of where an error was raised."""
    return _innermost(traceback.extract_tb(error.__traceback__))


def waits(frame: FrameType | None) -> bool:
    """Whether the innermost code is that of libraries that wait for other processes."""
    return frame is not None and any(part in frame.f_code.co_filename for part in _WAITING)


def mark(place: str, counts: bool = True) -> None:
    """Tell the watchdog of this process, if there is one, that a place has been passed."""
    if _watchdog is not None:
        _watchdog.mark(place, counts)


@contextmanager
def watching(watchdog: Watchdog) -> Iterator[None]:
    """Watch this process within."""
    global _watchdog
    _watchdog = watchdog
    watchdog.start()
    try:
        yield
    finally:
        unwatched()


def unwatched() -> None:
    """From here on nobody waits for this process, and what it does may take as long as it likes."""
    global _watchdog
    if _watchdog is not None:
        _watchdog.stop()
        _watchdog = None
