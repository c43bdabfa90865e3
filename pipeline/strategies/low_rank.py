"""A Linear module and its low-rank update in one piece of autograd: PEFT's numbers, with fewer passes over activations.

``W x + b + scaling · B A dropout(x)`` written as modules makes a tensor as wide as the activations for each product,
for the scaling and for the sum, and as many in the backward pass. Here the update is added where the module's own
product lies, and its share of the gradient of x where the frozen weight's share lies, by the matrix product itself.

What is only as wide as the rank is computed lying, as rank × tokens: libraries for CPUs are up to six times slower at
the same product into a tall and narrow matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora.layer import Linear as PeftLinear
from torch import nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch import Tensor


class LowRankLinear(PeftLinear):
    """PEFT's module for a plain ``nn.Linear``. What it does beyond one adapter that is not merged is left to PEFT."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args or kwargs or self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return super().forward(x, *args, **kwargs)
        name, base = self.active_adapters[0], self.base_layer
        if name not in self.lora_A:
            return super().forward(x)
        a: Any = self.lora_A[name].weight
        b: Any = self.lora_B[name].weight
        if not _plain(base, x, a, b):
            return super().forward(x)
        dropout = self.lora_dropout[name]
        dropped = dropout(x) if self.training and not isinstance(dropout, nn.Identity) else None
        return _Updated.apply(x, dropped, base.weight, base.bias, a, b, self.scaling[name])


def fuse(model: nn.Module) -> nn.Module:
    """Let PEFT's LoRA modules on plain ``nn.Linear`` in ``model`` compute as :class:`LowRankLinear`; DoRA's stay."""
    for module in model.modules():
        if type(module) is PeftLinear and type(module.base_layer) is nn.Linear and not module.lora_variant:
            module.__class__ = LowRankLinear
    return model


def _plain(base: nn.Module, x: Tensor, *updates: Tensor) -> bool:
    """Whether the product is that of whole tensors in one precision and nothing of the module's own is trained."""
    weights = [*base.parameters(), *updates]
    if type(base) is not nn.Linear or any(p.requires_grad for p in base.parameters()):
        return False
    if base._forward_hooks or base._forward_pre_hooks:
        return False
    # Weights that are cut over processes (DTensor) are gathered by hooks of the modules, which are not called here.
    if any(type(weight.data) is not torch.Tensor for weight in weights):
        return False
    if torch.is_autocast_enabled(x.device.type):
        return x.is_floating_point()
    return all(weight.dtype == x.dtype for weight in weights)


class _Updated(torch.autograd.Function):
    """x: (…, in); dropped: x after dropout, or None where it is x; weight: (out, in); a: (r, in); b: (out, r)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        dropped: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scaling: float,
    ) -> Tensor:
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
            x, weight, a, b = (tensor.to(dtype) for tensor in (x, weight, a, b))
            bias, dropped = (None if tensor is None else tensor.to(dtype) for tensor in (bias, dropped))
        with torch.autocast(kind, enabled=False):
            own = x.reshape(-1, x.shape[-1])
            read = own if dropped is None else dropped.reshape(own.shape)
            inner = a @ read.T
            # What a function of autograd gives out may be changed in place (DeBERTa does) only if it is no view, as
            # functional.linear of three dimensions is.
            out = x.new_empty((*x.shape[:-1], weight.shape[0]))
            flat = out.view(-1, weight.shape[0])
            if bias is None:
                torch.mm(own, weight.T, out=flat)
            else:
                torch.addmm(bias, own, weight.T, out=flat)
            flat.addmm_(inner.T, b.T, alpha=scaling)
        ctx.save_for_backward(read, inner, weight, a, b)
        ctx.scaling, ctx.is_dropped, ctx.shape = scaling, dropped is not None, x.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        read, inner, weight, a, b = ctx.saved_tensors
        of_x, of_dropped, _, _, of_a, of_b, _ = ctx.needs_input_grad
        with torch.autocast(gradient.device.type, enabled=False):
            flat = gradient.reshape(-1, gradient.shape[-1]).to(inner.dtype)
            back = (b.T.contiguous() @ flat.T).mul_(ctx.scaling)
            x = flat @ weight if of_x else None
            dropped = None
            if ctx.is_dropped:
                dropped = (back.T @ a).view(ctx.shape) if of_dropped else None
            elif x is not None:
                x.addmm_(back.T, a)
            return (
                None if x is None else x.view(ctx.shape),
                dropped,
                None,
                None,
                back @ read if of_a else None,
                (inner @ flat).mul_(ctx.scaling).T.contiguous() if of_b else None,
                None,
            )
