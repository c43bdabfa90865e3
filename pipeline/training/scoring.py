"""Scores of one pass over a split, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from pipeline.tasks.base import Head, Output, Scores, Task
    from pipeline.training.answers import Answers

# Gets the number of a row, the row, and what the model says of it.
Sink = Callable[[int, Mapping[str, Any], Mapping[str, Any]], None]


class Scorer:
    """Collects the loss and metrics of a split, and hands what the model says of every row to a `sink`.

    Nothing is kept of a row once it is scored: the memory does not grow with the split.
    """

    def __init__(
        self,
        task: Task,
        head: Head,
        device: Any,
        *,
        answers: Answers | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        sink: Sink | None = None,
    ) -> None:
        self.task, self.head, self.sink = task, head, sink
        self.answers, self.tokenizer = answers, tokenizer
        metrics = task.metrics(head)
        self.metrics = None if metrics is None else metrics.to(_home(metrics, torch.device(device)))
        self.totals = torch.zeros(2, dtype=torch.float64, device="cpu")

    def update(self, output: Output, index: torch.Tensor) -> None:
        """index: the numbers of the batch's features."""
        self.totals += torch.stack([output.loss.detach(), output.weight.detach()]).cpu().double()
        predictions = output.predictions
        if isinstance(predictions, torch.Tensor):
            predictions = predictions.detach().float() if predictions.is_floating_point() else predictions
        if self.metrics is not None and not self.task.scored_by_row:
            self.metrics.update(predictions, output.targets)
        if predictions is not None and (self.task.scored_by_row or self.sink is not None):
            self._update_rows(
                predictions.cpu() if isinstance(predictions, torch.Tensor) else predictions, index
            )

    def _update_rows(self, predictions: Any, index: torch.Tensor) -> None:
        assert self.answers is not None and self.tokenizer is not None
        numbers, answers = self.answers.add(index.tolist(), list(predictions))
        if not answers:
            return
        said = self.task.decode(answers, self.tokenizer, self.head)
        if self.metrics is not None and self.task.scored_by_row:
            self.metrics.update(said, [answer.row for answer in answers])
        if self.sink is not None:
            for number, answer, words in zip(numbers, answers, said, strict=True):
                self.sink(number, answer.row, words)

    def compute(self, strategy: Any = None) -> Scores:
        """Loss and metrics over every row, of every process where Lightning's strategy is given."""
        totals = self.totals
        if strategy is not None:
            # MPS has no float64, and is never of several processes.
            device = "cpu" if strategy.root_device.type == "mps" else strategy.root_device
            totals = strategy.reduce(totals.to(device), reduce_op="sum").cpu()
        loss = float(totals[0] / totals[1])
        computed = {} if self.metrics is None else self.metrics.compute()
        if not isinstance(computed, Mapping):
            raise TypeError(f"{type(self.task).__name__}.metrics() gives one number without a name")
        scores = self.task.scores({"loss": loss, **computed}, self.head)
        scores.values.setdefault("loss", loss)  # unless the task has one of the split as a whole
        return scores


def _home(metrics: nn.Module, device: torch.device) -> torch.device:
    """Where metrics add up: on the device that computes, but those in float64 not on MPS, which has none."""
    from torchmetrics import Metric

    parts = [part for part in metrics.modules() if isinstance(part, Metric)]
    states = [state for part in parts for state in part.metric_state.values()]
    exact = any(isinstance(state, torch.Tensor) and state.dtype == torch.float64 for state in states)
    return torch.device("cpu") if exact and device.type == "mps" else device
