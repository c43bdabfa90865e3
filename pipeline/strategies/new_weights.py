"""What of a model its checkpoint does not have: known to the model itself, so that a strategy can train it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

# Where a model that was built from a checkpoint says so (`pipeline.models.checkpoint`).
_NAMES = "newly_initialised"
# transformers' name of what reads the first token's hidden state, in the backbones that have it.
_POOLER = "pooler"


def new_weights(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """The weights that are new and that what the model computes depends on, by name, each once. They are none where
    all are random (``model.from_scratch``)."""
    names: frozenset[str] = getattr(model, _NAMES, frozenset())
    found: dict[nn.Parameter, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if name in names:
            found.setdefault(weight, name)
    poolers = [name for name in found.values() if f".{_POOLER}." in f".{name}" and _in_backbone(model, name)]
    unread = _unread(model, poolers) if poolers else set()
    return {name: weight for weight, name in found.items() if name not in unread}


def _in_backbone(model: PreTrainedModel, name: str) -> bool:
    return model.base_model is model or name.startswith(f"{model.base_model_prefix}.")


def _unread(model: PreTrainedModel, names: Iterable[str]) -> set[str]:
    """Those of ``names`` that no gradient reaches, or that it cannot be told of: a bare backbone hands on what its
    pooler makes, which nobody reads, and a few heads (BigBird's) pass theirs by."""
    if model.base_model is model:
        return set(names)
    try:
        return set(names) - _reached(model)
    except (RuntimeError, TypeError, ValueError):  # It wants more than tokens, or numbers to decide by.
        return set(names)


def _reached(model: PreTrainedModel) -> set[str]:
    """Names of the weights that the outputs of such a model depend on, found without memory."""
    import torch

    config, kind = copy.deepcopy(model.config), cast("Any", type(model))
    config.pad_token_id = None  # Or some look for padding, which numbers that are not there do not show.
    with torch.device("meta"):
        empty = kind(config).to("meta").eval().requires_grad_(True)
        # (examples, choices, tokens) where a model wants these.
        shape = (1, 2, 4) if type(model).__name__.endswith("ForMultipleChoice") else (1, 4)
        made = empty(input_ids=torch.zeros(shape, dtype=torch.long))
    outputs: Any = [value for value in made.values() if isinstance(value, torch.Tensor)]
    sum(value.sum() for value in outputs).backward()
    return {name for name, weight in empty.named_parameters() if weight.grad is not None}
