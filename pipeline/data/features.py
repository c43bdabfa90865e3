"""What the frozen part of a model hands on for every example of a split, on disk: computed once, read in every epoch.

A vector for each text, or for each of its tokens, without padding; a file that is mapped into memory, so that what is
read of it takes none of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Row = Mapping[str, Any]
_VALUES, _STARTS, _FACTS = "values.bin", "starts.npy", "facts.json"
# Of a batch without gradients: 4 MB at a width of 1,024.
_VECTORS = 1_024
# numpy has no bfloat16; its bits are kept.
_STORED = {"float32": np.float32, "float16": np.float16, "bfloat16": np.int16}


def texts_of(row: Row) -> list[list[int]]:
    """The tokens of each text of an encoded example, which has one, or several as one with choices has."""
    ids = row["input_ids"]
    return ids if len(ids) and isinstance(ids[0], (list, tuple)) else [ids]


def places(lengths: Sequence[int], tokens: int, side: str) -> np.ndarray:
    """(texts, tokens) bool: where tokens stand in a batch that is padded on ``side``."""
    count, places = np.asarray(lengths)[:, None], np.arange(tokens)[None]
    return places >= tokens - count if side == "left" else places < count


def chosen(there: Tensor, read: str) -> Tensor:
    """Of the places that hold a token, (texts, tokens) bool, those that are read: all, or one a text."""
    if read == "all":
        return there
    number = there.cumsum(-1) * there
    return there & (number == (1 if read == "first" else there.sum(-1, keepdim=True)))


def padded(vectors: Tensor, there: Tensor, read: str) -> Tensor:
    """What is handed on for a batch, from its vectors: (texts, width), or (texts, tokens, width) with zeros where
    nothing is read. ``there``: (texts, tokens) whether a place holds a token."""
    if read == "text":
        return vectors
    whole = vectors.new_zeros(*there.shape, vectors.shape[-1])
    whole[chosen(there, read)] = vectors
    return whole


def evaluation_batch(features: Mapping[str, Any], least: int) -> int:
    """Examples of a batch without gradients: where each is one vector, many take hardly longer than a few.

    features: facts of a split. least: what others are given.
    """
    return max(least, _VECTORS) if features["read"] == "text" else least


class FeatureWriter:
    """Writes the vectors of examples in any order.

    counts: vectors of each example. width: numbers of each vector. dtype: a name that torch has for it.
    """

    def __init__(self, folder: Path, counts: Sequence[int] | np.ndarray, width: int, dtype: str) -> None:
        self.folder, self.dtype = folder, dtype
        self.starts = np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))])
        shape = (max(int(self.starts[-1]), 1), width)
        self.values = np.memmap(folder / _VALUES, _STORED[dtype], "w+", shape=shape)

    def put(self, number: int, vectors: Tensor) -> None:
        """vectors: (its vectors, width)."""
        import torch

        kept = vectors.contiguous().cpu()
        kept = kept.view(torch.int16) if kept.dtype == torch.bfloat16 else kept
        self.values[self.starts[number] : self.starts[number + 1]] = kept.numpy()

    def close(self, facts: Mapping[str, Any]) -> None:
        """facts: what is kept beside, as plain JSON; ``read`` and ``side`` are among them."""
        self.values.flush()
        np.save(self.folder / _STARTS, self.starts)
        known = {"width": self.values.shape[1], "dtype": self.dtype, **facts}
        (self.folder / _FACTS).write_text(json.dumps(known, indent=1))


class Features:
    """The vectors of a split as they were written. Raises ValueError for a folder that is not whole."""

    def __init__(self, folder: Path) -> None:
        try:
            self.facts = json.loads((folder / _FACTS).read_text())
            self.starts = np.load(folder / _STARTS)
            shape = (max(int(self.starts[-1]), 1), self.facts["width"])
            stored = np.dtype(_STORED[self.facts["dtype"]])
            if (folder / _VALUES).stat().st_size != shape[0] * shape[1] * stored.itemsize:
                raise ValueError(f"{folder / _VALUES} has not the size that it was written with")
            self.values = np.memmap(folder / _VALUES, stored, "r", shape=shape)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{folder} is not whole: {error}") from error

    def of(self, numbers: Sequence[int]) -> Tensor:
        """The vectors of these examples, one after the other: (vectors, width)."""
        import torch

        spans = [self.values[self.starts[number] : self.starts[number + 1]] for number in numbers]
        found = torch.from_numpy(np.concatenate(spans))
        return found.view(torch.bfloat16) if self.facts["dtype"] == "bfloat16" else found

    def batch(self, rows: Sequence[Row], tokens: int) -> Tensor:
        """What the frozen part hands on for a batch of encoded examples that know their ``index``, padded to
        ``tokens``; see :func:`padded`."""
        import torch

        lengths = [len(text) for text in chain.from_iterable(map(texts_of, rows))]
        there = torch.from_numpy(places(lengths, tokens, self.facts["side"]))
        return padded(self.of([row["index"] for row in rows]), there, self.facts["read"])


class CollateWithFeatures:
    """Batches as another collate makes them, with ``frozen``: what the frozen part hands on."""

    def __init__(self, collate: Callable[[Sequence[Row]], dict[str, Any]], features: Features) -> None:
        self.collate, self.features = collate, features

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        batch = self.collate(rows)
        return {**batch, "frozen": self.features.batch(rows, batch["inputs"]["input_ids"].shape[-1])}
