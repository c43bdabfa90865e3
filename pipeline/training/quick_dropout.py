"""Dropout on a CPU without its serial part: a byte of randomness for each element in place of a Bernoulli draw.

torch fills a mask with ``bernoulli_``, one thread drawing one element after another, which can be half of the time of
a forward pass. Drawing 64 bits at a time and comparing their bytes takes a tenth of that.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 256  # of a byte
MOST = 1 - 1 / LEVELS  # beyond which no threshold lies


def noise(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Zeros with probability p, at most MOST, else 1 / (1 - p), drawn from torch's generator of the CPU, which
    checkpoints restore."""
    return _kept(_drawn(shape, p), dtype).mul_(1 / (1 - p))


def _drawn(shape: torch.Size, p: float) -> tuple[Tensor, Tensor]:
    """A random byte for each element, and for each row of the last dimension the lowest that keeps one.

    p is seldom a whole number of 256ths, so the threshold is drawn too: one of the two whole numbers around 256 p, such
    that each element's rate is p itself (to the 24 bits of a float32). Elements of a row are correlated by that, by
    less than 1e-4 for p of 0.1.
    """
    count = math.prod(shape)
    words = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    below = math.floor(p * LEVELS)
    more = torch.rand((*shape[:-1], 1)) < p * LEVELS - below
    # Bytes are signed here: the lowest is -128.
    return words.view(torch.int8)[:count].view(shape), more.to(torch.int8) + (below - LEVELS // 2)


def _kept(drawn: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
    """Ones where an element is kept, else zeros, in memory of their own."""
    found, least = drawn
    # The comparison writes numbers at once: torch is several times slower by way of truth values.
    return torch.ge(found, least, out=torch.empty(found.shape, dtype=dtype))


class _Dropped(torch.autograd.Function):
    """``x * noise``. What is kept for the backward pass is the random bytes, a quarter of the factors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        drawn = _drawn(x.shape, p)
        ctx.save_for_backward(*drawn)
        ctx.scale = 1 / (1 - p)
        return _kept(drawn, x.dtype).mul_(ctx.scale).mul_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        found, least = ctx.saved_tensors
        return _kept((found, least), gradient.dtype).mul_(ctx.scale).mul_(gradient), None


class _Attended(torch.autograd.Function):
    """``(weights * noise) @ value``, of which the product in between is computed again in the backward pass.

    The scale is that of the values, which are fewer than the weights.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, value: Tensor, p: float) -> Tensor:
        drawn = _drawn(weights.shape, p)
        ctx.save_for_backward(weights, value, *drawn)
        ctx.scale = 1 / (1 - p)
        return _kept(drawn, weights.dtype).mul_(weights) @ (value * ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, value, found, least = ctx.saved_tensors
        kept, scaled = _kept((found, least), weights.dtype), gradient * ctx.scale
        of_weights = (scaled @ value.to(scaled.dtype).transpose(-2, -1)).to(weights.dtype).mul_(kept)
        of_value = kept.mul_(weights).to(scaled.dtype).transpose(-2, -1) @ scaled
        return of_weights, of_value.to(value.dtype), None


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
    blind = None
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        # What may look at nothing sees nothing, as with torch.
        sees = attn_mask.any(-1, keepdim=True)
        blind = None if sees.all() else ~sees
        # A sum costs a tenth of filling in, which would be done in every head. Half of the lowest number, because a sum
        # with that one could be infinite, and its gradient no number.
        least = torch.finfo(scores.dtype).min / 2
        attn_mask = torch.zeros(attn_mask.shape, dtype=scores.dtype).masked_fill_(~attn_mask, least)
    if attn_mask is not None:
        fits = attn_mask.dtype == scores.dtype and not attn_mask.requires_grad
        scores = scores.add_(attn_mask) if fits else scores + attn_mask
    weights = scores.softmax(-1)
    if blind is not None:
        weights = weights.masked_fill(blind, 0.0)
    return _Attended.apply(weights, value.to(weights.dtype), dropout_p)


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
    return input.mul_(noise(input.shape, p, input.dtype)) if inplace else _Dropped.apply(input, p)


def _drops(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0, **_: Any
) -> bool:
    return 0 < dropout_p <= MOST and query.device.type == "cpu" and not query.is_nested
