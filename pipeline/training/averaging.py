"""Averages of the trained weights, which are scored and kept in place of the weights themselves.

Not Lightning's WeightAveraging nor torch's AveragedModel: they copy the whole module, frozen weights included, write
that copy into checkpoints, and put the weights back before `best` is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn


class Averages:
    """An average of each trained weight of ``model``, of its device and type.

    share: what a new set of weights counts in the average, of the number of sets that are in it (at least 1).
    """

    def __init__(self, model: nn.Module, share: Callable[[int], float]) -> None:
        self.share, self.count = share, 0
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.averaged: dict[str, Tensor] = {}
        self._in_place = False

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights as they are into the average."""
        weights = [weight.detach() for weight in self.weights.values()]
        if self.count == 0:
            self.averaged = {name: weight.detach().clone() for name, weight in self.weights.items()}
        else:
            torch._foreach_lerp_(list(self.averaged.values()), weights, self.share(self.count))
        self.count += 1

    def put(self) -> None:
        """The averages take the place of the weights, if there are any yet."""
        if self.count and not self._in_place:
            self._exchange()

    def put_back(self) -> None:
        """Undo :meth:`put`."""
        if self._in_place:
            self._exchange()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        before = self._in_place
        self.put()
        try:
            yield
        finally:
            if not before:
                self.put_back()

    def _exchange(self) -> None:
        for name, weight in self.weights.items():
            weight.data, self.averaged[name] = self.averaged[name], weight.data
        self._in_place = not self._in_place

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "averaged": dict(self.averaged)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError for averages of other weights."""
        if state["averaged"] and state["averaged"].keys() != self.weights.keys():
            raise RuntimeError("the checkpoint holds averages of other weights than this run trains")
        self.count, self.averaged = state["count"], dict(state["averaged"])

    def to_weights(self) -> None:
        """Move the averages to where the weights are."""
        self.averaged = {
            name: value.to(self.weights[name].device, copy=True) for name, value in self.averaged.items()
        }


class Averaging(Callback):
    """Updates the averages after optimizer steps; the training module puts them in place for every validation.

    share: see :class:`Averages`. due: whether the weights after so many steps are taken in.
    """

    def __init__(self, share: Callable[[int], float], due: Callable[[int], bool]) -> None:
        self.share, self.due = share, due
        self.averages: Averages | None = None
        self._seen = 0

    def setup(self, trainer: Trainer, module: Any, stage: str) -> None:
        if stage == "fit":
            self.averages = module.averages = Averages(module, self.share)

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        assert self.averages is not None
        self.averages.to_weights()
        self._seen = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        # Batches that only accumulate change no weights.
        if step != self._seen and self.due(step):
            assert self.averages is not None
            self.averages.update()
        self._seen = step

    def on_fit_end(self, trainer: Trainer, module: Any) -> None:
        # After the last checkpoint is written: a run that keeps none is scored with what is here now.
        assert self.averages is not None
        self.averages.put()
        if not self.averages.count and trainer.is_global_zero:
            print("warning: training ended before any weights were averaged", file=sys.stderr)
        self.averages = module.averages = None

    def state_dict(self) -> dict[str, Any]:
        return self.averages.state_dict() if self.averages else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self.averages is not None and state_dict:
            self.averages.load_state_dict(state_dict)
