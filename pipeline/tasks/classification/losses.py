"""Losses of examples with one class, or with any number of them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def losses(
    logits: Tensor, targets: Tensor, class_weights: Sequence[float] | None, smoothing: float, reduction: str
) -> tuple[Tensor, Tensor]:
    """The loss of each example, or with reduction ``sum`` of all together, and the weight of each: (examples,).

    logits: (examples, classes). targets: (examples,) classes: cross-entropy; (examples, classes) of 0.0 and 1.0: binary
    cross-entropy averaged over classes. class_weights: of examples of a class, or of a class's presence as against its
    absence.
    """
    weights = None if class_weights is None else torch.tensor(class_weights, device=logits.device)
    ones = logits.new_ones(len(targets))
    if targets.ndim == 2:
        soft = targets * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=weights, reduction="none")
        return each.mean(-1), ones
    loss = functional.cross_entropy(logits, targets, weights, reduction=reduction, label_smoothing=smoothing)
    return loss, ones if weights is None else weights[targets]
