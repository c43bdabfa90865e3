"""How often the right choice has the highest score, and how far down it is on average."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ChoiceMetrics(Metric):
    """``accuracy``, and ``mrr``: the mean of one over the right choice's rank (Voorhees 1999). Of choices with the
    same score the first counts as the higher."""

    full_state_update = False
    right: Tensor
    reciprocal: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("reciprocal", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("rows", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """logits: (examples, choices), -inf for those that are not there. targets: numbers of the right ones."""
        scores = logits.gather(1, targets.unsqueeze(1))
        places = torch.arange(logits.shape[1], device=logits.device)
        above = (logits > scores) | ((logits == scores) & (places < targets.unsqueeze(1)))
        ranks = 1 + above.sum(1)
        self.right += (ranks == 1).sum()
        self.reciprocal += (1 / ranks).sum()
        self.rows += len(targets)

    def compute(self) -> dict[str, Tensor]:
        return {"accuracy": self.right / self.rows, "mrr": self.reciprocal / self.rows}
