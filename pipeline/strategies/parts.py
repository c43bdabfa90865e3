"""The parts of a transformers model that strategies treat differently: backbone and head, for any family."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


def head_names(model: PreTrainedModel) -> list[str]:
    """Names of the top-level modules with weights of their own outside the backbone.

    transformers names the backbone in ``base_model_prefix``; what lies beside it was added for a task
    (``classifier``, ``score``, ``pooler`` and so on). A module that shares all its weights with the backbone,
    as a tied output layer does, is not a head. Empty where the model is nothing but a backbone.
    """
    if model.base_model is model:
        return []
    shared = set(model.base_model.parameters())
    return [
        name
        for name, module in model.named_children()
        if module is not model.base_model and any(weight not in shared for weight in module.parameters())
    ]


def linear_modules(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The backbone's Linear modules (and GPT-2's transposed ones) by full name."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    heads = tuple(f"{name}." for name in head_names(model))
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not f"{name}.".startswith(heads or "\0")
    }
