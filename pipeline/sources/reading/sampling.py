"""A bounded sample of the rows of a stream: random ones, and the first ones of every class."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.mixed import as_texts, disagreeing

if TYPE_CHECKING:
    import pyarrow as pa

# Random rows, and the bytes that they may take: of long documents there are fewer.
ROWS, BYTES = 10_000, 64_000_000
# Rows of every class that are in the sample whatever is drawn, and how many values are no classes any more.
EACH, CLASSES = 2, 1_000


class Sample:
    """The rows with the smallest of random keys, a key for each row: every row is as likely to be among them."""

    def __init__(self, classes: Iterable[str], one_type: Collection[str] = (), seed: int = 0) -> None:
        """classes: columns whose values may be classes. one_type: columns that have to be of one."""
        self._one_type = set(one_type)
        self._draw = np.random.default_rng(seed)
        self._size, self._most = ROWS, np.inf
        self._tables: list[pa.Table] = []
        self._keys: list[np.ndarray] = []
        self._first: list[np.ndarray] = []
        self._seen: dict[str, Counter[Any]] = {column: Counter() for column in classes}

    def add(self, table: "pa.Table") -> None:
        """The next rows of the stream."""
        keys, first = self._draw.random(table.num_rows), np.zeros(table.num_rows, dtype=bool)
        first[self._first_of_classes(table)] = True
        chosen = np.flatnonzero((keys < self._most) | first)
        if len(chosen):
            self._tables.append(table.take(chosen))
            self._keys.append(keys[chosen])
            self._first.append(first[chosen])
        if sum(map(len, self._keys)) > 2 * self._size or sum(part.nbytes for part in self._tables) > BYTES:
            self._shrink()

    def table(self) -> "pa.Table":
        """In the order of the stream."""
        self._shrink()
        return self._tables[0]

    def _first_of_classes(self, table: "pa.Table") -> list[int]:
        found: list[int] = []
        for column in [name for name in self._seen if name in table.column_names]:
            seen = self._seen[column]
            for row, cell in enumerate(table[column].to_pylist()):
                for value in cell if isinstance(cell, list) else [cell]:
                    if isinstance(value, str | int) and seen[value] < EACH:
                        seen[value] += 1
                        found.append(row)
            if len(seen) > CLASSES:
                del self._seen[column]
                if not self._seen:
                    self._first = [np.zeros_like(part) for part in self._first]
                    found.clear()
        return found

    def _shrink(self) -> None:
        import pyarrow as pa

        try:
            mixed = disagreeing([part.schema for part in self._tables]) - self._one_type
            texts = [as_texts(part, mixed) for part in self._tables]
            table = pa.concat_tables(texts, promote_options="permissive")
        except pa.ArrowException as error:
            what = f"its files have columns of different types: {error}"
            raise BadInput(Problem("data.train", what, "one type a column")) from error
        keys, first = np.concatenate(self._keys), np.concatenate(self._first)
        while len(keys) > self._size or table.nbytes > BYTES:
            if table.nbytes > BYTES and self._size > 1:
                self._size = min(self._size, len(keys)) // 2
            order = np.argsort(keys, kind="stable")
            self._most = float(keys[order[self._size - 1]])
            kept = np.flatnonzero((keys <= self._most) | first)
            if len(kept) == len(keys):
                break
            table, keys, first = table.take(kept), keys[kept], first[kept]
        self._tables, self._keys, self._first = [table.combine_chunks()], [keys], [first]
