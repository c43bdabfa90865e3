"""The layers of a transformers model, whatever its family calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import nn

# What follows a model's last layer, where it is registered after the list of them. Other modules that are serve the
# layers themselves, as DeBERTa's relative positions do.
_ABOVE = (
    "norm",
    "ln_f",
    "norm_f",
    "final_norm",
    "final_layer_norm",
    "final_layernorm",
    "layer_norm",
    "pooler",
)


def layer_list(model: Any) -> tuple[str, nn.ModuleList]:
    """The list of layers, by its full name: the decoder's of an encoder–decoder. Raises BadInput where there is none.

    It is the list that holds the most weights, of those that are in no other.
    """
    from torch import nn

    from pipeline.strategies.parts import backbone_parts

    inside = {module for part in backbone_parts(model) for module in part.modules()}
    decoder = model.get_decoder() if encoder_name(model) else None
    inside &= set(decoder.modules()) if decoder is not None else inside
    lists: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        outermost = not any(name.startswith(f"{other}.") for other in lists)
        if module in inside and isinstance(module, nn.ModuleList) and len(module) and outermost:
            lists[name] = module
    if not lists:
        what = f"{type(model).__name__} has its layers in no list"
        raise BadInput(Problem("strategy", what, "strategy=full or strategy=lora"))
    name = max(lists, key=lambda name: sum(weight.numel() for weight in lists[name].parameters()))
    return name, lists[name]


def all_layers(model: Any) -> list[nn.Module]:
    """The layers of every list of them, encoder's and decoder's: those that transformers would leave in one piece,
    where it says so of the family. None of a model that has its layers in no list."""
    from torch import nn

    pieces = {name for part in model.modules() for name in getattr(part, "_no_split_modules", None) or ()}
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList)]
    listed = dict.fromkeys(layer for layers in lists for layer in layers if type(layer).__name__ in pieces)
    if listed:
        return list(listed)
    try:
        return list(layer_list(model)[1])
    except BadInput:
        return []


def encoder_name(model: Any) -> str | None:
    """The name of the encoder of an encoder–decoder; None of other models."""
    for name, module in model.named_modules():
        children = dict(module.named_children())
        if {"encoder", "decoder"} <= children.keys() and model.config.is_encoder_decoder:
            return f"{name}.encoder".lstrip(".")
    return None


def above(model: Any, layers: str) -> list[nn.Module]:
    """Modules of the backbone between the last layer and the head: norms, poolers. A pooler that no head reads is
    none."""
    found: list[nn.Module] = []
    path = layers.split(".")
    for depth in range(len(path), 0, -1):
        parent = model.get_submodule(".".join(path[: depth - 1]))
        if parent is model and model.base_model is not model:
            break  # The head begins.
        children = [name for name, _ in parent.named_children()]
        after = children[children.index(path[depth - 1]) + 1 :]
        found += [
            parent.get_submodule(name)
            for name in after
            if name in _ABOVE and (name != "pooler" or model.base_model is not model)
        ]
    return found
