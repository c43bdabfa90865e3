"""Signals are ours: a request to stop sets a flag, and the run leaves at the next step boundary.

A second Ctrl-C stops at once. SIGUSR2 is what a cluster says before it takes a machine back.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_stop = threading.Event()
# The signal that did, the first time.
_number: int | None = None
# What asks to stop.
LISTENED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR2") if hasattr(signal, name)]


def requested() -> bool:
    """Whether someone asked this process to stop."""
    return _stop.is_set()


def asked_by() -> int | None:
    """The signal that asked to stop; None where nobody did."""
    return _number if _stop.is_set() else None


def hear(number: int, frame: FrameType | None) -> None:
    """The handler of signals that ask to stop."""
    global _number
    if _stop.is_set():
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        return
    _number = number
    _stop.set()


def listen_alone() -> None:
    """Undo what Lightning does when a fit starts: its own SIGTERM handler, put around ours, ends a run at the next
    end of an epoch without a checkpoint. It restores what it found afterwards."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, hear)


@contextmanager
def listening() -> Iterator[None]:
    """Take signals over while a run works, or several that are asked to stop together: within another such block, and
    outside the main thread, nothing is changed."""
    outside = threading.current_thread() is not threading.main_thread()
    if outside or signal.getsignal(signal.SIGINT) is hear:
        yield
        return
    _stop.clear()
    before = {number: signal.signal(number, hear) for number in LISTENED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _stop.clear()
