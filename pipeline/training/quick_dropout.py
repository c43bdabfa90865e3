"""Dropout on a CPU without its serial part: a byte of randomness for each element in place of a Bernoulli draw.

torch fills a mask with ``bernoulli_``, one thread drawing one element after another, which can be half of the time of
a forward pass. Drawing 64 bits at a time and comparing their bytes takes a tenth of that.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 256  # of a byte
MOST = 1 - 1 / LEVELS  # beyond which no threshold lies


def noise(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Zeros with probability p, at most MOST, else 1 / (1 - p), drawn from torch's generator of the CPU, which
    checkpoints restore.

    A byte is compared with a threshold. p is seldom a whole number of 256ths, so the threshold is drawn too, for each
    row of the last dimension: one of the two whole numbers around 256 p, such that each element's rate is p itself
    (to the 24 bits of a float32). Elements of a row are correlated by that, by less than 1e-4 for p of 0.1.
    """
    count = math.prod(shape)
    words = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    below = math.floor(p * LEVELS)
    more = torch.rand((*shape[:-1], 1)) < p * LEVELS - below
    # Bytes are signed here: the lowest is -128.
    least = more.to(torch.int8) + (below - LEVELS // 2)
    kept = words.view(torch.int8)[:count].view(shape) >= least
    return torch.where(kept, 1 / (1 - p), 0.0).to(dtype)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """What ``scaled_dot_product_attention`` computes, which has no kernel for dropout on a CPU, with our dropout."""
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(groups, -3) for part in (key, value))
    scale = scale or 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = scores.softmax(-1)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        # What may look at nothing sees nothing, as with torch.
        weights = weights.masked_fill(~attn_mask.any(-1, keepdim=True), 0.0)
    return (weights * noise(weights.shape, dropout_p, weights.dtype)) @ value.to(weights.dtype)


class QuickDropout(TorchFunctionMode):
    """Within, ``dropout`` of tensors on a CPU, also that of attention, draws bytes. Everything else is as it was."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is functional.dropout:
            return _dropout(*args, **named)
        if func is functional.scaled_dot_product_attention and _drops(*args, **named):
            return attention(*args, **named)
        return func(*args, **named)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if not (
        training
        and 0 < p <= MOST
        and input.device.type == "cpu"
        and input.dim()
        and input.is_floating_point()
    ):
        return functional.dropout(input, p, training, inplace)
    mask = noise(input.shape, p, input.dtype)
    return input.mul_(mask) if inplace else input * mask


def _drops(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0, **_: Any
) -> bool:
    return 0 < dropout_p <= MOST and query.device.type == "cpu" and not query.is_nested
