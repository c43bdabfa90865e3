"""What an optimizer step adds up over its micro-batches and processes: losses, and the weights they are divided by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from torch import Tensor


class StepSums:
    """The sums of the step under way, in this process."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    def add(self, loss: Tensor, weight: Tensor) -> None:
        """Those of one micro-batch: scalars."""
        both = torch.stack([loss.detach().float(), weight.detach().float()])
        self._sums = both if self._sums is None else self._sums + both

    def take(self, trainer: Trainer) -> tuple[Tensor, Tensor]:
        """Loss and weight of the whole step, of all processes at once; the next one begins at nothing."""
        assert self._sums is not None
        step, self._sums = self._sums, None
        if trainer.world_size > 1:
            step = trainer.strategy.reduce(step, reduce_op="sum")
        return step[0], step[1]
