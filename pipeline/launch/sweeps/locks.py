"""Who does what, where several processes work on one sweep: locks in its folder, which end with their process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

Lock = FileLock


class Locks:
    """Named locks of a sweep. Threads exclude each other as processes do."""

    def __init__(self, sweep: Path) -> None:
        self.folder = sweep / ".locks"
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def hold(self, *names: str) -> Iterator[None]:
        """Wait for the locks. In one order everywhere, so that nobody waits for somebody who waits for him."""
        with ExitStack() as held:
            for name in sorted(set(names)):
                held.enter_context(self._lock(name))
            yield

    def take(self, name: str) -> Lock | None:
        """The lock, to be released by whoever gets it; None where another has it."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    def _lock(self, name: str) -> Lock:
        return FileLock(self.folder / name, poll_interval=0.1)


def of_runs(ids: Sequence[str]) -> list[str]:
    """Names of the locks of runs, which trials with equal values share."""
    return [f"run-{identity}" for identity in ids]
