"""The parts of a transformers model that strategies treat differently: backbone and head, for any family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing
from pipeline.strategies.new_weights import new_weights

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

# XLNet's stands for a word in permutation language modelling (target_mapping), ESM's head tells which residues touch.
_UNREAD = {"mask_emb", "contact_head"}


def head_names(model: PreTrainedModel) -> list[str]:
    """Names of the top-level modules with weights of their own that were added to the backbone for a task.

    transformers calls them ``classifier``, ``score``, ``pooler`` and so on; they are new, or belong to the task.
    What predicts words is no such head: it comes with the pretrained model, whether it shares its weights with the
    backbone or not. Empty where the model is nothing but a backbone.
    """
    if model.get_output_embeddings() is not None:
        return []
    backbone = backbone_parts(model)
    shared = {weight for part in backbone for weight in part.parameters()}
    return [
        name
        for name, module in model.named_children()
        if module not in backbone and any(weight not in shared for weight in module.parameters())
    ]


def whole_modules(model: PreTrainedModel) -> list[str]:
    """Full names of the modules that are trained in full whatever is done to the backbone: heads, and those that the
    checkpoint has nothing of (a masked LM's transform on a bare backbone, a classifier's pooler on a masked LM).

    Raises BadInput for new matrices that stand beside pretrained weights in one module, which would stay random.
    """
    from torch import nn

    heads = head_names(model)
    new = {weight: name for name, weight in _new_beside_heads(model).items()}
    found: list[str] = []
    for name, module in model.named_modules():
        inside = list(module.parameters())
        lists = isinstance(module, nn.ModuleList | nn.ModuleDict)  # PEFT keeps none of these whole.
        if name and inside and new.keys() >= set(inside) and not lists and not _within(name, found):
            found.append(name)
    # A bias by itself (one for every word, say) is zero, and left so.
    left = [name for weight, name in new.items() if weight.ndim > 1 and not _within(name, found)]
    if left:
        what = f"the checkpoint does not have {listing(left, most=4)}, which would stay random"
        allowed = "strategy=full, strategy=last_layers, or a checkpoint that has them"
        raise BadInput(Problem("strategy", what, allowed))
    return [*heads, *found]


def _within(name: str, modules: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _new_beside_heads(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """New weights by name, but for those of heads."""
    heads = head_names(model)
    return {name: weight for name, weight in new_weights(model).items() if not _within(name, heads)}


def backbone_parts(model: PreTrainedModel) -> list[nn.Module]:
    """The modules that make up the backbone: one that transformers names in ``base_model_prefix``, as a rule.

    A few models have its parts beside their head instead (T5 for question answering does); these are known by their
    names in the architecture without a head.
    """
    if model.base_model is not model:
        return [model.base_model]
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        bare = AutoModel.from_config(model.config)
    names = {name for name, _ in bare.named_children()}
    return [module for name, module in model.named_children() if name in names]


def linear_modules(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The Linear modules (and GPT-2's transposed ones) by full name, but for those that are trained in full, those that
    no task calls, and the one that predicts words, which is as large as the vocabulary. Raises BadInput as
    :func:`whole_modules`."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    whole = whole_modules(model)
    words = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and module is not words
        and not _UNREAD & set(name.split("."))
        and not _within(name, whole)
    }


def added_rows(model: PreTrainedModel) -> dict[str, list[int]] | None:
    """The rows of embeddings, by the names of these, that belong to tokens which were added to the checkpoint's
    (``model.added_tokens``) and are not trained anyway; None where there are none."""
    config = getattr(model.config, "backbone_config", model.config)
    numbers = getattr(config, "added_token_ids", None)
    if not numbers:
        return None
    read, written = model.get_input_embeddings(), model.get_output_embeddings()
    apart = written is not None and written.weight is not read.weight
    wanted = {read, written} if apart else {read}
    whole = whole_modules(model)
    return {
        name: list(numbers)
        for name, module in model.named_modules()
        if module in wanted and not _within(name, whole)
    }


def norm_weights(model: nn.Module) -> list[nn.Parameter]:
    """Scales and biases of normalisation layers. Every architecture has a class of its own for RMSNorm, but all of them
    have Norm in its name."""
    return [
        weight
        for module in model.modules()
        if "Norm" in type(module).__name__
        for weight in module.parameters(recurse=False)
    ]


def unread_weights(model: nn.Module) -> list[nn.Parameter]:
    """Weights of a backbone that get no gradient, whatever the task."""
    unread = [weight for name, weight in model.named_parameters() if _UNREAD & set(name.split("."))]
    for module in model.modules():
        # transformers freezes sines (Marian's, RoFormer's) where it makes a model, not where it loads one.
        if "SinusoidalPositionalEmbedding" in type(module).__name__:
            unread += module.parameters()
    return unread


def train_heads_and(model: PreTrainedModel, more: Iterable[nn.Parameter]) -> None:
    """Freeze everything but what is the heads' own, what the checkpoint does not have, and ``more``."""
    model.requires_grad_(False)
    for name in head_names(model):
        model.get_submodule(name).requires_grad_(True)
    # Weights that a head shares with the backbone stay as they are.
    for part in backbone_parts(model):
        part.requires_grad_(False)
    for weight in (*_new_beside_heads(model).values(), *more):
        weight.requires_grad_(True)
