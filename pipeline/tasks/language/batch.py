"""Encoded blocks of documents to one padded batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.tasks.token_loss import IGNORED

if TYPE_CHECKING:
    from torch import Tensor


def block_batch(features: Sequence[Mapping[str, Any]], pad: int, multiple: int | None) -> dict[str, Tensor]:
    """``input_ids``, ``targets`` (blocks, longest) and, where they are known, ``bytes`` (blocks,).

    Packed blocks have ``position_ids``, in which the padding is one more document, that nothing is asked of: with a
    padding mask transformers would not keep documents apart. Others have an ``attention_mask``.
    """
    import torch

    width = max(len(feature["input_ids"]) for feature in features)
    width += -width % (multiple or 1)

    def padded(name: str, filling: int | None) -> Tensor:
        rows = [list(feature[name]) for feature in features]
        fill = [
            range(width - len(row)) if filling is None else [filling] * (width - len(row)) for row in rows
        ]
        return torch.tensor([[*row, *more] for row, more in zip(rows, fill, strict=True)])

    batch = {
        "input_ids": padded("input_ids", pad),
        "targets": padded("targets", IGNORED),
    }
    if "bytes" in features[0]:
        batch["bytes"] = torch.tensor([feature["bytes"] for feature in features])
    if "position_ids" in features[0]:
        return {**batch, "position_ids": padded("position_ids", None)}
    lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
    return {**batch, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}
