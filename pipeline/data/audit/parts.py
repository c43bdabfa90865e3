"""Columns of a number for every row, of which only a part is in memory, however many rows there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.fetch.cache import cache_folder

# Rows that are looked at together.
PART = 500_000


def on_disk(rows: int, dtype: Any) -> np.ndarray:
    """(rows,) zeros in a file that goes with the array."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder()) as file:
        # An empty file cannot be mapped.
        return np.memmap(file, dtype, "w+", shape=(max(rows, 1),))[:rows]


def chunks(column: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """A column piece by piece, each with the number of its first row."""
    for start in range(0, len(column), PART):
        yield start, column[start : start + PART]


def parts(hashes: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """All rows, as ascending indices by split, in parts of about PART rows such that rows with equal hashes are in
    the same one."""
    number = max(1, -(-sum(map(len, hashes.values())) // PART))
    for part in range(number):
        yield {
            split: np.concatenate(
                [
                    np.array([], np.int64),
                    *(start + np.flatnonzero(some % number == part) for start, some in chunks(column)),
                ]
            )
            for split, column in hashes.items()
        }
