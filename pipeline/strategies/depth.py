"""How deep each weight of a transformers model lies, for any family: from the embeddings up to the head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem
from pipeline.strategies.parts import backbone_parts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def depths(model: PreTrainedModel, where: str) -> tuple[dict[str, int], int]:
    """Parameter -> depth, and the number n of layers. A depth is 0 for embeddings, 1 … n for layers, and n + 1 for what
    follows them (final norm, pooler, head).

    Layers are counted as they are computed, so that a decoder's stand above those of its encoder. A norm between the
    two goes with the encoder's last layer. A weight that is tied to the embeddings is one of them.

    where: the option that asks. Raises BadInput for a model without layers to tell apart (ALBERT's are all the same).
    """
    numbers = _layers(model)
    last = max(numbers.values(), default=0)
    if last < 2:
        what = f"{type(model).__name__} has no layers that could be told apart"
        raise BadInput(Problem(where, what, "to leave it out"))
    embeddings = _embeddings(model)
    inside = {weight for part in backbone_parts(model) for weight in part.parameters()}
    found: dict[str, int] = {}
    reached = 0
    for name, weight in model.named_parameters():
        number = next((number for start, number in numbers.items() if name.startswith(start)), None)
        if number is not None:
            reached = found[name] = number
        elif weight in inside and (weight in embeddings or "emb" in name):
            found[name] = 0
        else:
            found[name] = reached if weight in inside and reached < last else last + 1
    return found, last


def called(depth: int, layers: int) -> str:
    """What a person calls the weights of a depth."""
    return "embeddings" if depth == 0 else f"layer {depth}" if depth <= layers else "top"


def _embeddings(model: nn.Module) -> set[Tensor]:
    from torch import nn

    return {module.weight for module in model.modules() if isinstance(module, nn.Embedding)}


def _layers(model: PreTrainedModel) -> dict[str, int]:
    """The start of a layer's parameter names -> its number, from 1. A stack of layers is the longest ModuleList of its
    owner; some (XLM) spread their layers over several lists of the same length."""
    names = {module: name for name, module in model.named_modules()}
    stacks: dict[str, list[list[str]]] = {}
    for part in backbone_parts(model):
        for owner, layers in _lists(part, f"{names[part]}." if names[part] else ""):
            stacks.setdefault(owner, []).append(layers)
    numbers: dict[str, int] = {}
    below = 0
    for lists in stacks.values():
        length = max(map(len, lists))
        for layers in lists:
            if len(layers) == length:
                numbers |= {start: below + number for number, start in enumerate(layers, 1)}
        below += length
    return numbers


def _lists(module: nn.Module, start: str) -> Iterator[tuple[str, list[str]]]:
    """The outermost ModuleLists: the owner of each, and the starts of its items' parameter names."""
    from torch import nn

    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            if len(child) and "emb" not in name:
                yield start, list(_items(child, f"{start}{name}."))
        else:
            yield from _lists(child, f"{start}{name}.")


def _items(layers: nn.ModuleList, start: str) -> Iterator[str]:
    """Lists of lists (Funnel's blocks) are one stack."""
    from torch import nn

    for name, child in layers.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _items(child, f"{start}{name}.")
        else:
            yield f"{start}{name}."
