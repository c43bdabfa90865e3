"""The Lightning side of the learning-rate monitor."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from pipeline.training.learning_rate_monitor import learning_rates


class LearningRateCallback(Callback):
    """Reads the learning rates just before a step, logs them just after it, under the step's number.

    After the step the scheduler has moved on already; Lightning's own monitor logs what the next step uses.
    """

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps
        self.used: dict[str, float] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        self.used = learning_rates(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        used, self.used = self.used, {}  # Empty after a batch that only accumulated.
        step = trainer.global_step
        every: int = getattr(pl_module, "log_every", 1)  # The steps that the module logs its loss at.
        if used and (step % every == 0 or step == self.total_steps):
            for logger in trainer.loggers:
                logger.log_metrics(used, step=step)
