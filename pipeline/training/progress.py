"""A progress bar over the whole run, with the time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@component
class Progress(CallbackSpec):
    """A bar in a terminal; lines elsewhere."""

    affects_result: ClassVar[bool] = False

    every_percent: Annotated[int, Field(ge=1, le=100)] = 10

    def build(self, facts: RunFacts) -> Callback:
        from pipeline.training.progress_callback import ProgressCallback

        return ProgressCallback(facts.total_steps, facts.monitor, self.every_percent)


def clock(seconds: float) -> str:
    """65 -> 1:05, 3700 -> 1:01:40."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Pace:
    """Time left, from the steps of this process alone: a resumed run starts with steps it did not make."""

    def __init__(self, done: int, total: int, now: Any = time.monotonic) -> None:
        self.first, self.total, self.now, self.start = done, total, now, now()

    def elapsed(self) -> float:
        return self.now() - self.start

    def left(self, done: int) -> float | None:
        """Seconds until `total`; None before the first step."""
        made = done - self.first
        return self.elapsed() / made * (self.total - done) if made else None
