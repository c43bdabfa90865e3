"""Frozen matrices in the precision of the arithmetic, for as long as a trainer works with them.

Autocast gives a matrix product its weights in 16 bits, and makes that copy anew in every forward pass where they are
not trained. Made once it is the same copy, to the bit, and the float32 weights take no memory on the GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

# Lightning's names of precisions that are autocast's.
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def frozen_matrices(model: nn.Module) -> list[Parameter]:
    """Frozen float32 weights and biases that nothing but matrix products reads: those of Linear modules (and GPT-2's
    transposed ones), unless an embedding shares them."""
    from transformers.pytorch_utils import Conv1D

    inside: dict[Parameter, None] = {}
    elsewhere: set[Parameter] = set()
    for module in model.modules():
        own = module.parameters(recurse=False)
        if isinstance(module, nn.Linear | Conv1D):
            inside.update(dict.fromkeys(own))
        else:
            elsewhere.update(own)
    return [
        weight
        for weight in inside
        if not weight.requires_grad and weight.dtype == torch.float32 and weight not in elsewhere
    ]


class Lowered:
    """The frozen matrices of ``model`` are of ``dtype`` until :meth:`restore`; their float32 values wait on the CPU,
    where they were loaded to: what is merged or saved is what it would have been."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._kept: list[tuple[Parameter, Tensor]] = []
        for weight in frozen_matrices(model):
            self._kept.append((weight, weight.data.cpu()))
            weight.data = weight.data.to(dtype)

    def restore(self) -> None:
        while self._kept:
            weight, values = self._kept.pop()
            weight.data = values.to(weight.device)
