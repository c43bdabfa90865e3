"""Scores of one pass over a split, over all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pipeline.tasks.base import Head, Output, Scores, Task


class Scorer:
    """Collects the loss and metrics of a split; with `keep_predictions` also every row's raw prediction."""

    def __init__(self, task: Task, head: Head, device: Any, keep_predictions: bool = False) -> None:
        self.task, self.head, self.keep = task, head, keep_predictions
        self.metrics = task.metrics(head).to(device)
        self.totals = torch.zeros(2, dtype=torch.float64, device="cpu")
        self.rows: list[tuple[torch.Tensor, torch.Tensor]] = []

    def update(self, output: Output, index: torch.Tensor) -> None:
        predictions = output.predictions.detach().float()
        self.metrics.update(predictions, output.targets)
        self.totals += torch.stack([output.loss.detach(), output.weight.detach()]).double().cpu()
        if self.keep:
            self.rows.append((index.cpu(), predictions.cpu()))

    def compute(self, strategy: Any = None) -> Scores:
        """Loss and metrics over every row, of every process where Lightning's strategy is given."""
        totals = self.totals
        if strategy is not None:
            totals = strategy.reduce(totals.to(strategy.root_device), reduce_op="sum").cpu()
        scores = self.task.scores(self.metrics.compute(), self.head)
        scores.values["loss"] = float(totals[0] / totals[1])
        return scores

    def predictions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row numbers and raw predictions of this process."""
        if not self.rows:
            return torch.empty(0, dtype=torch.long), torch.empty(0)
        return torch.cat([i for i, _ in self.rows]), torch.cat([p for _, p in self.rows])
