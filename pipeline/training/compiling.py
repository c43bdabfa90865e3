"""Layers compiled by themselves (torch.compile): those of one kind share what is compiled of the first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.fetch.cache import cache_folder

if TYPE_CHECKING:
    from torch import nn

# What torch calls to build its kernels: the variable that names another one, and what it looks for.
_COMPILERS = {"cpu": ("CXX", ("g++", "clang++")), "gpu": ("CC", ("gcc", "clang"))}


def check_compiler(accelerator: str) -> None:
    """Raises BadInput where kernels for ``accelerator`` cannot be built on this machine."""
    variable, names = _COMPILERS.get(accelerator, ("", ()))
    wanted = [os.environ[variable]] if os.environ.get(variable) else names
    if names and not any(map(shutil.which, wanted)):
        what = f"true needs a compiler, and this machine has no {' or '.join(wanted)}"
        raise BadInput(
            Problem("hardware.compile", what, f"false, or install one (${variable} names another)")
        )


def compile_layers(every: Iterable[nn.Module]) -> int:
    """Compile each layer that is trained at its first call in training; how many.

    In evaluation they compute as the code says: text that is written grows by a token a call, and each layer has its
    own place in the cache of keys and values, which would be compiled again and again. Kernels are kept in the cache
    folder, unless $TORCHINDUCTOR_CACHE_DIR names another one. Layers whose forward pass is exchanged
    (:mod:`pipeline.strategies.stand_ins`) stay as they are.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    layers = [
        layer
        for layer in every
        if "forward" not in layer.__dict__ and any(weight.requires_grad for weight in layer.parameters())
    ]
    for layer in layers:
        # Batches differ in their size and length: one set of kernels for all of them.
        layer.compile(dynamic=True)
        layer._compiled_call_impl = _in_training(layer)
    return len(layers)


def _in_training(layer: nn.Module) -> Callable[..., Any]:
    compiled: Any = layer._compiled_call_impl

    def call(*args: Any, **kwargs: Any) -> Any:
        return (compiled if layer.training else layer._call_impl)(*args, **kwargs)

    return call


def uncompiled(model: nn.Module) -> None:
    """Compute as the code says again."""
    for module in model.modules():
        module._compiled_call_impl = None
