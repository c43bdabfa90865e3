"""Ends a run that a search has given up, in all its processes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from pipeline.errors import Pruned


class PruningCallback(Callback):
    """After each validation: tell the search, and hear whether it is worth going on.

    decide: gets the number of the validation, from 1, and the monitored value; gives why the run is to end, or None.
    Asked in the first process only; what it says is broadcast, so that no process waits for one that has left.
    """

    def __init__(self, monitor: str, total_steps: int, decide: Callable[[int, float], str | None]) -> None:
        self.monitor, self.total_steps, self.decide = monitor, total_steps, decide
        self.validations = 0

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Raises Pruned."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self.validations += 1
        why = None
        if trainer.is_global_zero:
            why = self.decide(self.validations, float(trainer.callback_metrics[self.monitor]))
        why = trainer.strategy.broadcast(why)
        # A run that has come to its end is kept: there is nothing left to save.
        if why is not None and trainer.global_step < self.total_steps:
            raise Pruned(trainer.global_step, why)

    def state_dict(self) -> dict[str, Any]:
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.validations = state_dict["validations"]
