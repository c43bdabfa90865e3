"""The Lightning side of the learning-rate monitor."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from pipeline.training.learning_rate_monitor import learning_rates


class LearningRateCallback(Callback):
    """Reads the learning rates just before a step, logs them just after it, under the step's number.

    After the step the scheduler has already moved on, and Lightning's own monitor logs what the next step uses.
    """

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        self.used = learning_rates(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        used, self.used = self.used, {}  # Empty after a batch that only accumulated.
        if used and trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            for logger in trainer.loggers:
                logger.log_metrics(used, step=trainer.global_step)
