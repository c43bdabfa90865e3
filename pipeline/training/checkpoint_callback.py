"""Writes `last` and `best`, and stops a run that was asked to stop at a place from which it can go on."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from pipeline.errors import Interrupted
from pipeline.training import interruption, random_state
from pipeline.training.loggers.base import Rewinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# With several processes the decision to write is taken together, and asking costs a message.
_AGREE_EVERY = 5


class CheckpointCallback(Callback):
    """See :class:`pipeline.training.checkpoints.Checkpoints`."""

    def __init__(
        self,
        folder: Path,
        *,
        monitor: str | None,
        mode: str,
        every_steps: int | None,
        every_seconds: float | None,
    ) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"
        self.monitor, self.mode = monitor, mode
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self.best_score: float | None = None
        self.best_loss: float | None = None
        self.best_step: int | None = None
        self._written_at, self._written_step = time.monotonic(), -1
        self._random: dict[str, Any] | None = None

    # Continue

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._random is not None:
            random_state.restore(self._random)
            self._random, self._written_step = None, trainer.global_step
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._between_steps(trainer)

    def _between_steps(self, trainer: Trainer) -> None:
        step = trainer.global_step
        if step == self._written_step:
            return
        due = self.every_steps is not None and step > 0 and step % self.every_steps == 0
        late = self.every_seconds is not None and time.monotonic() - self._written_at >= self.every_seconds
        stop = interruption.requested()
        if trainer.world_size > 1:
            if not due and step % _AGREE_EVERY:
                return
            late = trainer.strategy.reduce_boolean_decision(late, all=False)
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if due or late or stop:
            self._write_last(trainer)
        if stop:
            raise Interrupted(f"stopped after step {step}, as asked")

    def _write_last(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.last, weights_only=False)
        self._written_at, self._written_step = time.monotonic(), trainer.global_step

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        states: list[Any] = [random_state.capture()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, random_state.capture())
        checkpoint["random"] = states
        # Lightning has counted the batch that is about to start; continued from here, it will be counted again.
        progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_loop.batch_progress")
        if progress is not None:
            for counts in (progress["total"], progress["current"]):
                counts["ready"] = counts["completed"]
            progress["is_last_batch"] = False
        checkpoint["logs"] = {logger.name: logger.position() for logger in rewindable(trainer.loggers)}

    def on_load_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._random = checkpoint["random"][trainer.global_rank]

    # Best

    def on_validation_end(self, trainer: Trainer, module: Any) -> None:
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking or self.monitor is None:
            return
        score = float(trainer.callback_metrics[self.monitor])
        loss = float(trainer.callback_metrics[loss_beside(self.monitor, trainer.callback_metrics)])
        # Few rows give the same accuracy again and again while the model goes on learning.
        tie = score == self.best_score and better(loss, self.best_loss, "min")
        if tie or better(score, self.best_score, self.mode):
            self.best_score, self.best_step = score, trainer.global_step
            self.best_loss = None if math.isnan(loss) else loss
            module.best = (trainer.global_step, dict(getattr(module, "validated", {})))
            trainer.save_checkpoint(self.best, weights_only=True)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.best_step is None:  # nothing was monitored, or no score was a number
            self.best_step = trainer.global_step
            averages = getattr(module, "averages", None)
            with averages.in_place() if averages else nullcontext():
                trainer.save_checkpoint(self.best, weights_only=True)
        self._write_last(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_loss": self.best_loss, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_loss = state_dict["best_score"], state_dict["best_loss"]
        self.best_step = state_dict["best_step"]


def better(score: float, than: float | None, mode: str) -> bool:
    """Whether `score` improves on `than` (None: there is nothing yet); NaN never does."""
    if score != score:
        return False
    return than is None or (score > than if mode == "max" else score < than)


def loss_beside(metric: str, names: Iterable[str]) -> str:
    """The loss of the split that `metric` was measured on: ``val/news/f1/sport`` -> ``val/news/loss``."""
    losses = [
        name for name in names if name.endswith("/loss") and metric.startswith(name.removesuffix("loss"))
    ]
    return max(losses, key=len, default=metric)


def rewindable(loggers: Iterable[Any]) -> Iterator[Any]:
    """Loggers whose record can be cut back to where a checkpoint was written."""
    return (logger for logger in loggers if isinstance(logger, Rewinds))


def rewind(loggers: Iterable[Any], last: Path) -> None:
    """Cut logs back to what the checkpoint `last` knew, or to nothing where there is no checkpoint."""
    known = torch.load(last, map_location="cpu", weights_only=True)["logs"] if last.exists() else {}
    for logger in rewindable(loggers):
        logger.truncate(known.get(logger.name, 0))
