"""Attention of packed documents on a CPU: of each document by itself.

transformers keeps documents of a block apart by a mask of all pairs of its tokens, which are computed nevertheless: of
a block of 1,024 tokens with documents of a hundred, nine tenths for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def by_document(inputs: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """What the model computes ``inputs`` in: something else than usual only for packed ones on a CPU.

    ``position_ids`` (rows, tokens) of packed inputs begin at 0 with each document, and there is no ``attention_mask``.
    """
    positions = inputs.get("position_ids")
    if positions is None or positions.device.type != "cpu" or "attention_mask" in inputs:
        return nullcontext()
    if positions.dim() != 2 or positions[:, 0].any():
        return nullcontext()
    return DocumentAttention(positions)


class DocumentAttention(TorchFunctionMode):
    """Within, ``scaled_dot_product_attention`` with a mask that lets tokens see what is before them in their document,
    and nothing else, is computed without it. With any other mask, as of a sliding window, all is as it was."""

    def __init__(self, positions: Tensor) -> None:
        super().__init__()
        begins = positions == 0
        self.documents = begins.cumsum(1)
        self.lengths = [row.bincount()[1:].tolist() for row in self.documents]
        self._asked: list[tuple[Tensor, bool]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            given = dict(zip(_NAMES, args, strict=False)) | named
            if self._is_told_by(given.get("attn_mask"), given["query"], given["key"]):
                return self._each(**{name: given[name] for name in given.keys() - {"attn_mask", "is_causal"}})
        return func(*args, **named)

    def _is_told_by(self, mask: Tensor | None, query: Tensor, key: Tensor) -> bool:
        rows, width = self.documents.shape
        if mask is None or mask.dtype != torch.bool or query.dim() != 4 or len(query) != rows:
            return False
        if query.shape[-2] != width or key.shape[-2] != width or mask.shape[1:] != (1, width, width):
            return False
        for asked, answer in self._asked:  # Every layer has the same one.
            if asked is mask:
                return answer
        same = self.documents[:, :, None] == self.documents[:, None, :]
        answer = torch.equal(mask[:, 0].expand(rows, width, width), same.tril_())
        self._asked.append((mask, answer))
        return answer

    def _each(self, query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
        found, rest = [], rest | {"is_causal": True}
        for row, lengths in enumerate(self.lengths):
            parts = (part[row : row + 1].split(lengths, -2) for part in (query, key, value))
            attended = [
                functional.scaled_dot_product_attention(*part, **rest) for part in zip(*parts, strict=True)
            ]
            found.append(torch.cat(attended, -2))
        return torch.cat(found) if len(found) > 1 else found[0]
