"""Signals are ours: a request to stop sets a flag, and the run leaves at the next step boundary.

A second Ctrl-C stops at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_stop = threading.Event()


def requested() -> bool:
    """Whether someone asked this process to stop."""
    return _stop.is_set()


def _handle(number: int, frame: FrameType | None) -> None:
    if _stop.is_set() and number == signal.SIGINT:
        raise KeyboardInterrupt
    _stop.set()


def listen_alone() -> None:
    """Undo what Lightning does when a fit starts: its own SIGTERM handler, put around ours, ends a run at the next
    end of an epoch without a checkpoint. It restores what it found afterwards."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _handle)


@contextmanager
def listening() -> Iterator[None]:
    """Take SIGINT and SIGTERM over while a run works; outside the main thread nothing is changed."""
    _stop.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
