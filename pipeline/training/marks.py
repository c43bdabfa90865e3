"""Tells the watchdog where a training loop is."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from pipeline.training.watchdog import mark


class Marks(Callback):
    """Before and after all other callbacks: one of them may be what hangs."""

    def __init__(self, place: str) -> None:
        self.place = place

    def _mark(self, trainer: Trainer, what: str) -> None:
        mark(f"step {trainer.global_step + 1}: {what} ({self.place} callbacks)")

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self._mark(trainer, "batch")

    def on_before_backward(self, trainer: Trainer, module: Any, loss: Any) -> None:
        self._mark(trainer, "forward pass done")

    def on_after_backward(self, trainer: Trainer, module: Any) -> None:
        self._mark(trainer, "backward pass done")

    def on_before_optimizer_step(self, trainer: Trainer, module: Any, optimizer: Any) -> None:
        self._mark(trainer, "optimizer step")

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        self._mark(trainer, "batch done")

    def on_validation_start(self, trainer: Trainer, module: Any) -> None:
        self._mark(trainer, "validation")

    def on_validation_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        mark("a validation batch", counts=False)

    def on_validation_end(self, trainer: Trainer, module: Any) -> None:
        self._mark(trainer, "validation done")

    def on_test_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        mark("a test batch", counts=False)

    def on_save_checkpoint(self, trainer: Trainer, module: Any, checkpoint: Any) -> None:
        self._mark(trainer, "checkpoint")
