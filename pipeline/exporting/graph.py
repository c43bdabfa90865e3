"""A model as one function from tensors to tensors, as a graph has to be."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.tasks.embedding.pooling import Pooling, embed

_OPSET = 17
_AXES = {0: "batch", 1: "length"}


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


def trace(graph: Graph, sample: Mapping[str, Tensor], file: Path) -> None:
    """Write ``graph`` as ONNX. sample: inputs to follow through it, (batch, length) each; others may have any size.

    Torch's newer exporter (dynamo=True) takes fifteen times as long for the same graphs, and fails on XLNet.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = graph.named(dict(sample))
        length = next(iter(sample.values())).shape[1]
        long = {name: value.ndim > 1 and value.shape[1] == length for name, value in made.items()}
        torch.onnx.export(
            graph.eval(),
            tuple(sample.values()),
            str(file),
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(sample),
            output_names=list(made),
            dynamic_axes={
                **dict.fromkeys(sample, _AXES),
                **{name: _AXES if each else {0: _AXES[0]} for name, each in long.items()},
            },
        )
