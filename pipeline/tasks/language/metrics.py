"""Counts that the scores of language models are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric


class Counts(Metric):
    """Sums over all batches, by name; whole numbers for the names given, exact floats for ``floats``."""

    full_state_update = False

    def __init__(self, *names: str, floats: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.names = (*names, *floats)
        for name in self.names:
            kind = torch.float64 if name in floats else torch.int64
            self.add_state(name, torch.zeros((), dtype=kind), dist_reduce_fx="sum")

    def update(self, predictions: None, counts: Mapping[str, torch.Tensor]) -> None:
        for name in self.names:
            total = getattr(self, name)
            setattr(self, name, total + counts[name].detach().to(total.device))

    def compute(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.names}


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats; infinite where that is more than a float can be."""
    return math.exp(loss) if loss < 700 else math.inf
