"""The loss of language models: over the tokens that have a target, of which there may be few."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Targets with this number are not learned (transformers' convention).
IGNORED = -100
# Tokens whose logits are taken to float32 together: what bounds memory where the vocabulary is large.
_CHUNK = 4_096


def token_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy in float32, in nats, and the number of tokens that it is over.

    logits: (…, vocabulary). targets: (…) token numbers, IGNORED where nothing is to be learned; already shifted
    where a token is predicted from those before it.
    """
    wanted = targets != IGNORED
    return chosen_loss(logits[wanted], targets[wanted], label_smoothing)


def chosen_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """The same of tokens that all have a target: logits (tokens, vocabulary), of which no copy is made, and targets
    (tokens,)."""
    import torch
    from torch.nn import functional
    from torch.utils.checkpoint import checkpoint

    def summed(some: Tensor, right: Tensor) -> Tensor:
        return functional.cross_entropy(some.float(), right, reduction="sum", label_smoothing=label_smoothing)

    # The backward pass would keep each chunk in float32, so it computes them again, one after another.
    again = len(targets) > _CHUNK and torch.is_grad_enabled()
    loss = logits.new_zeros((), dtype=torch.float32)
    for some, right in zip(logits.split(_CHUNK), targets.split(_CHUNK), strict=True):
        if again:
            part = checkpoint(summed, some, right, use_reentrant=False, preserve_rng_state=False)
        else:
            part = summed(some, right)
        loss = loss + part
    return loss, targets.new_full((), len(targets))
