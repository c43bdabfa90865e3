"""Ends training that is asked to stop and that leaves no checkpoint to go on from."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from pipeline.errors import Interrupted
from pipeline.training import interruption

# With several processes the decision to stop is taken together, and asking costs a message.
_AGREE_EVERY = 5


class StoppingCallback(Callback):
    """Leaves between two steps, as the checkpoint callback does where there is one."""

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Raises Interrupted, in all processes at once."""
        step, stop = trainer.global_step, interruption.requested()
        if batch_idx % trainer.accumulate_grad_batches:
            return
        if trainer.world_size > 1:
            if step % _AGREE_EVERY:
                return
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            raise Interrupted(f"stopped after step {step}; there is no checkpoint to go on from")
