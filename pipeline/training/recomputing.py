"""Activations are computed again in the backward pass instead of kept: less memory for more time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.errors import BadInput, Problem


def recompute_activations(model: Any, *, offload: bool = False) -> None:
    """Keep the inputs of each layer alone (Chen et al. 2016, arXiv:1604.06174), as transformers does it.

    offload: keep them in the CPU's memory, pinned, from the forward pass to the backward pass (layers × tokens × width
    numbers that the GPU does not hold).
    Raises BadInput for a model that cannot.
    """
    try:
        # Newer versions have another name for it, and warn of the older one.
        newer = getattr(model, "activation_checkpointing_enable", None)
        enable = newer or model.gradient_checkpointing_enable
        # The other way needs inputs that require a gradient, which those of frozen embeddings do not.
        enable({"use_reentrant": False})
    except (ValueError, AttributeError) as error:
        what = f"{type(model).__name__} cannot compute activations again"
        raise BadInput(Problem("hardware.recompute", what, "false")) from error
    model.config.use_cache = False
    for module in model.modules() if offload else ():
        if compute := getattr(module, "_gradient_checkpointing_func", None):
            module._gradient_checkpointing_func = _offloading(compute)


def _offloading(compute: Callable[..., Any]) -> Callable[..., Any]:
    """transformers' own (`offload=True`) is in none of its older versions, and fails without a GPU."""
    import torch
    from torch.autograd.graph import save_on_cpu

    def offloading(function: Callable[..., Any], *inputs: Any) -> Any:
        # Of what is saved for the backward pass, checkpoint() leaves its inputs alone to the hooks around it.
        with save_on_cpu(pin_memory=torch.cuda.is_available()):
            return compute(function, *inputs)

    return offloading
