"""See :mod:`pipeline.training.early_stopping`."""

from __future__ import annotations

import sys

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason


class EarlyStoppingCallback(EarlyStopping):
    """Lightning's, which says why training ended."""

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.stopping_reason == EarlyStoppingReason.NOT_STOPPED or not trainer.is_global_zero:
            return
        why = f"has not improved for {self.wait_count} evaluation{'s' * (self.wait_count != 1)}"
        if self.stopping_reason == EarlyStoppingReason.NON_FINITE_METRIC:
            why = f"is {float(trainer.callback_metrics[self.monitor])}"
        print(f"early stopping at step {trainer.global_step}: {self.monitor} {why}", file=sys.stderr)
