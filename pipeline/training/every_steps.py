"""Validation after every so many optimizer steps: Lightning counts batches, and an epoch's last step may have fewer."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

# A number of batches that no run reaches.
NEVER = 2**62


class EverySteps(Callback):
    """Says after each batch whether validation is due. It has no state: a run that goes on between two batches has
    validated what was due before."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        due = not loop._should_accumulate() and trainer.global_step % self.steps == 0
        trainer.val_check_batch = loop.total_batch_idx + 1 if due else NEVER
