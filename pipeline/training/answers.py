"""Predictions of features, put together to the rows of data that they are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Answer:
    """What a model gave for one row of data.

    row: column -> value. features: its encoded features, in order. predictions: one for each of them.
    """

    row: Mapping[str, Any]
    features: Sequence[Mapping[str, Any]]
    predictions: Sequence[Any]


class Answers:
    """Collects the predictions of a pass over a split, and gives up each row when its last feature is there.

    Only rows that are not yet complete are held, so a pass takes no memory for what it has finished: the batches
    must bring the features of a row close together.

    raw: rows of the data. encoded: their features, each with the number of its ``row``.
    """

    def __init__(self, raw: Dataset, encoded: Dataset) -> None:
        import numpy as np

        self.raw, self.encoded = raw, encoded
        self.row_of = np.asarray(encoded.with_format("numpy")["row"][:], dtype=np.int64)
        self._features = np.bincount(self.row_of, minlength=len(raw))
        self._pending: dict[int, list[tuple[int, Any]]] = defaultdict(list)

    def add(self, index: Sequence[int], predictions: Sequence[Any]) -> tuple[list[int], list[Answer]]:
        """The rows that these features complete: their numbers, and their answers.

        index: numbers of features. predictions: of each of them.
        """
        whole: list[int] = []
        for feature, prediction in zip(index, predictions, strict=True):
            row = int(self.row_of[feature])
            self._pending[row].append((feature, prediction))
            if len(self._pending[row]) == self._features[row]:
                whole.append(row)
        if not whole:
            return [], []
        parts = {row: sorted(self._pending.pop(row), key=lambda part: part[0]) for row in whole}
        numbers = [feature for row in whole for feature, _ in parts[row]]
        features = dict(zip(numbers, _rows(self.encoded, numbers), strict=True))
        answers = [
            Answer(
                row, [features[feature] for feature, _ in parts[number]], [said for _, said in parts[number]]
            )
            for number, row in zip(whole, _rows(self.raw, whole), strict=True)
        ]
        return whole, answers


def _rows(data: Dataset, numbers: list[int]) -> list[dict[str, Any]]:
    """Rows by number, read together."""
    columns = data[numbers]
    return [{name: values[i] for name, values in columns.items()} for i in range(len(numbers))]
