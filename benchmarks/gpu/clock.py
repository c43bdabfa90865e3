"""Times the steps of a training that somebody else runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Some steps to warm up, of which the losses are kept, then ``steps`` that are timed together, or as many as begin
    within ``seconds``. The GPU is waited for before and after them, not between."""

    warmup: int
    steps: int
    seconds: float
    losses: list[float] = field(default_factory=list)
    timed: int = 0
    elapsed: float = 0.0
    peak_bytes: int = 0
    _start: float = 0.0

    @property
    def total(self) -> int:
        return self.warmup + self.steps

    def begins(self, done: int) -> None:
        """A step begins, after ``done`` others."""
        if done == self.warmup:
            _wait()
            self._start = time.perf_counter()

    def ended(self, done: int) -> bool:
        """Whether the step that was the ``done``-th is the last one."""
        self.timed = max(0, done - self.warmup)
        if not self.timed or (self.timed < self.steps and time.perf_counter() - self._start < self.seconds):
            return False
        self.peak_bytes = _wait()
        self.elapsed = time.perf_counter() - self._start
        return True


def _wait() -> int:
    """The GPU's work is done; the most memory that was in use since the last call."""
    import torch

    if not torch.cuda.is_available():
        return 0
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return peak
