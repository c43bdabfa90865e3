"""The best spans in the logits of a start and an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def best_spans(start: Tensor, end: Tensor, allowed: Tensor, longest: int, count: int) -> Tensor:
    """The ``count`` best spans of each window: (windows, count, 3): first token, last token, sum of their logits.

    start, end: (windows, tokens) logits in float32. allowed: (windows, tokens) bool, where a span may be. longest: in
    tokens. Every span is looked at, not only those of the best starts and ends; where there are too few, the score
    is -inf.
    """
    import torch
    from torch.nn import functional

    longest = min(longest, start.shape[1])
    out = ~allowed
    start = start.masked_fill(out, -torch.inf)
    ends = functional.pad(end.masked_fill(out, -torch.inf), (0, longest - 1), value=-torch.inf)
    # [window, first token, further tokens]
    scores = start[:, :, None] + ends.unfold(1, longest, 1)
    best, places = scores.flatten(1).topk(min(count, scores[0].numel()))
    first = places // longest
    return torch.stack([first.float(), (first + places % longest).float(), best], dim=-1)
