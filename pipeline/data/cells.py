"""What the cells of a column hold, without a Python object for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

# Cells that are Python objects, or decoded, at one time.
CHUNK = 10_000


@dataclass(frozen=True)
class Distinct:
    """The values of a column in the order in which they first occur, and for each row the place of its value there.

    codes: int32, four bytes a row.
    """

    values: list[Any]
    codes: np.ndarray

    def counts(self) -> np.ndarray:
        """How often each value occurs."""
        return np.bincount(self.codes, minlength=len(self.values))

    def rows(self, place: int) -> np.ndarray:
        """The rows, from 0, that hold a value."""
        return np.flatnonzero(self.codes == place)


def distinct(rows: Dataset, column: str) -> Distinct:
    """Values are distinct if they are written differently: 1 and 1.0 and "1" are three, as in lists and objects."""
    values: list[Any] = []
    known: dict[str, int] = {}

    def code(value: Any) -> int:
        name = repr(value)
        if name not in known:
            known[name] = len(values)
            values.append(value)
        return known[name]

    stored = rows.data.column(column)
    codes = np.empty(len(stored), dtype=np.int32)
    done = 0
    for array in _pieces(stored):
        codes[done : done + len(array)] = _codes(array, code)
        done += len(array)
    if rows._indices is None:
        return Distinct(values, codes)
    return _in_order(values, codes[_chosen(rows)])


def without_value(rows: Dataset, column: str) -> np.ndarray:
    """The rows, from 0, that have nothing in a column."""
    stored = rows.data.column(column)
    if not stored.null_count:
        return np.empty(0, dtype=np.int64)
    empty = np.concatenate([array.is_null().to_numpy(zero_copy_only=False) for array in stored.chunks])
    return np.flatnonzero(empty if rows._indices is None else empty[_chosen(rows)])


def numbered(rows: Dataset, column: str) -> Iterator[tuple[int, Any]]:
    """Each row's number, from 1, and its cell, a few thousand read at a time."""
    done = 0
    for batch in rows.select_columns([column]).iter(CHUNK):
        yield from enumerate(batch[column], start=done + 1)
        done += len(batch[column])


def _pieces(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    for array in column.chunks:
        for start in range(0, len(array), CHUNK):
            yield array.slice(start, CHUNK)


def _codes(array: pa.Array, code: Any) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_nested(array.type):
        return np.fromiter(map(code, array.to_pylist()), dtype=np.int32, count=len(array))
    encoded = array.dictionary_encode("encode")
    translation = np.fromiter(map(code, encoded.dictionary.to_pylist()), dtype=np.int32)
    return translation[encoded.indices.to_numpy()]


def _chosen(rows: Dataset) -> np.ndarray:
    """Numbers in the stored table of rows that were chosen of it."""
    assert rows._indices is not None
    return rows._indices.column(0).to_numpy()


def _in_order(values: list[Any], codes: np.ndarray) -> Distinct:
    """Only the values that occur, by their first row."""
    first = np.full(len(values), len(codes), dtype=np.int64)
    # Of several assignments to one place the last one stays: the first row.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1, dtype=np.int32)
    order = np.argsort(first, kind="stable")
    order = order[first[order] < len(codes)]
    rank = np.empty(len(values), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return Distinct([values[place] for place in order], rank[codes])
