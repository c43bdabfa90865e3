"""A model as one function from tensors to tensors, as a graph has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from pipeline.tasks.embedding.pooling import Pooling, embed


class Graph(nn.Module):
    """Takes the tensors that ``names`` names, in this order, and gives those of :meth:`named`, in theirs.

    pooling: of a model that embeds texts: its hidden states become ``sentence_embedding``, a unit vector a text.
    options: of every forward pass.
    """

    def __init__(
        self, model: nn.Module, names: Sequence[str], pooling: Pooling | None, **options: Any
    ) -> None:
        super().__init__()
        self.model, self.names, self.pooling, self.options = model, list(names), pooling, options

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.named(dict(zip(self.names, values, strict=True))).values())

    def named(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.pooling:
            return {"sentence_embedding": embed(self.model, inputs, self.pooling)}
        made = self.model(**inputs, **self.options)
        return {name: value for name, value in made.items() if isinstance(value, Tensor)}
