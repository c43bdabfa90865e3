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
    from torch.nn import functional

    wanted = targets != IGNORED
    chosen, numbers = logits[wanted], targets[wanted]
    loss = logits.new_zeros((), dtype=logits.dtype).float()
    for some, right in zip(chosen.split(_CHUNK), numbers.split(_CHUNK), strict=True):
        loss = loss + functional.cross_entropy(
            some.float(), right, reduction="sum", label_smoothing=label_smoothing
        )
    return loss, wanted.sum()
