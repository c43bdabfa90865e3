"""See :mod:`pipeline.training.progress`."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pipeline.training.progress import Pace, clock


class ProgressCallback(Callback):
    """One bar from the first step to the last; each evaluation shows as a bar of its own while it lasts."""

    def __init__(self, total_steps: int, monitor: str | None, every_percent: int) -> None:
        self.total, self.monitor, self.every = total_steps, monitor, every_percent
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.pace = Pace(0, total_steps)
        self.task: Any = None
        self.evaluation: Any = None
        self._said, self._tokens, self._due = -1, 0, False

    def _text(self, trainer: Trainer) -> str:
        metrics = trainer.callback_metrics
        parts = [f"loss {float(metrics['train/loss']):.4f}"] if "train/loss" in metrics else []
        if self.monitor in metrics:
            parts.append(f"{self.monitor} {float(metrics[self.monitor]):.4f}")
        left = self.pace.left(trainer.global_step)
        time = f"{clock(self.pace.elapsed())} elapsed"
        return "  ".join([f"{time}, {clock(left)} left" if left is not None else time, *parts])

    def _start(self, trainer: Trainer, total: int, done: int, what: str) -> Any:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return None
        if self.bar is None:
            self.bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn(
                    "{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}  {task.fields[text]}",
                    markup=False,
                ),
                console=self.console,
            )
            self.bar.start()
        return self.bar.add_task(what, total=total, completed=done, text="", unit="steps")

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.pace = Pace(trainer.global_step, self.total)
        self.task = self._start(trainer, self.total, trainer.global_step, "train")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._tokens += int(batch["tokens"])
        step = trainer.global_step
        # The line waits for what comes next, which may be the validation of this step.
        self._due = True
        self._advance_training(trainer)
        if step and step % getattr(module, "log_every", 10) == 0 and trainer.is_global_zero:
            speed = {"time/tokens_per_second": self._tokens * trainer.world_size / self.pace.elapsed()}
            for logger in trainer.loggers:
                logger.log_metrics(speed, step)

    def _advance_training(self, trainer: Trainer) -> None:
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=trainer.global_step, text=self._text(trainer))

    def _say(self, trainer: Trainer) -> None:
        step, share = trainer.global_step, trainer.global_step * 100 // (self.every * self.total)
        if self._due and self.bar is None and trainer.is_global_zero and step and share > self._said:
            self._said = share
            line = f"step {step}/{self.total}  {self._text(trainer)}"
            self.console.print(line, highlight=False, markup=False)
        self._due = False

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._say(trainer)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.evaluation = self._start(trainer, sum(map(int, trainer.num_val_batches)), 0, "validate")

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.evaluation = self._start(trainer, sum(map(int, trainer.num_test_batches)), 0, "test")

    def _advance(self) -> None:
        if self.bar is not None and self.evaluation is not None:
            self.bar.update(self.evaluation, advance=1, unit="batches")

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._advance()

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._advance()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.bar is not None and self.evaluation is not None:
            self.bar.remove_task(self.evaluation)
            self.evaluation = None
        self._advance_training(trainer)
        self._say(trainer)
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = self.task = None

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._say(trainer)
        self._stop()

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        self._stop()
