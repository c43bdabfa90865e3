"""Numbers of features, some thousand at a time and without making Python objects of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

_CHUNK = 20_000


def tally(features: Dataset, name: str, number: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of every feature, some thousand at a time: how often ``number`` is in column ``name``, how many numbers there
    are, and its row."""
    for batch in features.select_columns([name, "row"]).with_format("arrow").iter(_CHUNK):
        yield *_counts(batch[name].combine_chunks(), number), batch["row"].to_numpy()


def numbers(features: Dataset, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
    """Columns of one number a feature, some thousand at a time."""
    for batch in features.select_columns(list(names)).with_format("arrow").iter(_CHUNK):
        yield tuple(batch[name].to_numpy() for name in names)


def _counts(array: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow
    import pyarrow.compute

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pyarrow.concat_arrays(array.chunks)
    if not (pyarrow.types.is_list(array.type) or pyarrow.types.is_large_list(array.type)):
        equal = pyarrow.compute.equal(array, number).fill_null(False).to_numpy(zero_copy_only=False)
        return equal.astype(np.int64), np.ones(len(array), np.int64)
    hits, totals = _counts(array.flatten(), number)
    sizes = (
        pyarrow.compute.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    return _sums(hits, sizes), _sums(totals, sizes)


def _sums(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sums of runs of these sizes, which may be empty."""
    until = np.concatenate([[0], np.cumsum(values)])
    ends = np.cumsum(sizes)
    return until[ends] - until[ends - sizes]
