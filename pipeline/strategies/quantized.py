"""Linear modules with 4- or 8-bit weights by bitsandbytes, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


def quantize(
    model: Any,
    names: Iterable[str],
    device: torch.device,
    *,
    bits: int,
    quant_type: str,
    double_quant: bool,
    compute: torch.dtype,
) -> None:
    """Replace the Linear modules with these full names by frozen ones of ``bits`` bits on ``device``.

    compute: what 4-bit weights are multiplied in; those of 8 bits are in 16-bit floats.
    """
    import bitsandbytes as bnb

    for name in names:
        old = model.get_submodule(name)
        size = old.in_features, old.out_features, old.bias is not None
        new: Any
        if bits == 4:
            new = bnb.nn.Linear4bit(
                *size,
                compute_dtype=compute,
                compress_statistics=double_quant,
                quant_type=quant_type,
                device="meta",
            )
            new.weight = bnb.nn.Params4bit(
                old.weight.data,
                requires_grad=False,
                compress_statistics=double_quant,
                quant_type=quant_type,
                module=new,
            )
        else:
            new = bnb.nn.Linear8bitLt(*size, has_fp16_weights=False, threshold=6.0, device="meta")
            new.weight = bnb.nn.Int8Params(old.weight.data, requires_grad=False, has_fp16_weights=False)
        new.bias = old.bias
        # Now rather than when a trainer moves it, which others would have taken for float32 until then.
        model.set_submodule(name, new.to(device))


def dequantize(model: Any) -> None:
    """Replace every quantised module by a plain one with the weights that it computes with, in float32."""
    from peft.utils.integrations import dequantize_module_weight
    from torch import nn

    for name, old in list(model.named_modules()):
        if type(old).__name__ not in ("Linear4bit", "Linear8bitLt"):
            continue
        weight = dequantize_module_weight(old).float()
        new = nn.Linear(old.in_features, old.out_features, old.bias is not None, device="meta")
        new.weight = nn.Parameter(weight, requires_grad=False)
        new.bias = old.bias
        model.set_submodule(name, new)


def plain_linear(modules: dict[str, nn.Module]) -> list[str]:
    """Names of those that can be quantised: not GPT-2's, whose weights are transposed."""
    from torch import nn

    return [name for name, module in modules.items() if isinstance(module, nn.Linear)]
