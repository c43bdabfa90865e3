"""Two kinds of checkpoint: `last`, to continue after an interruption, and `best`, by the monitored metric.

`last` is written at the start of a batch, when everything of the step before is done: optimizer, scheduler,
validation, logs. Lightning's own checkpoint callback would write in the middle of that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@component
class Checkpoints(CallbackSpec):
    """When to write the checkpoint that a cut-off run continues from; the best one is always kept."""

    affects_result: ClassVar[bool] = False

    # Optimizer steps between two; null: by minutes alone.
    every_steps: Annotated[int, Field(ge=1)] | None = None
    # Minutes between two; null: by steps alone.
    every_minutes: Annotated[float, Field(gt=0)] | None = 5.0

    def build(self, facts: RunFacts) -> Callback:
        from pipeline.training.checkpoint_callback import CheckpointCallback

        return CheckpointCallback(
            Path(facts.folder) / "checkpoints",
            monitor=facts.monitor,
            mode=facts.mode,
            every_steps=self.every_steps,
            every_seconds=None if self.every_minutes is None else self.every_minutes * 60,
        )
