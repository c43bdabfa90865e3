"""The rows of a stream in pools: as many as are shuffled and sorted together, and in memory at one time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.data.streaming.facts import StreamFacts
    from pipeline.sources.reading.stream import FileStream

# Keep draws of the order of files, and of rows, apart from others of the same seed and epoch.
_FILES, DRAWN = 1_000_003, 1_000_033


@dataclass(frozen=True)
class Pool:
    """Rows with the task's columns. numbers: where each row stands in the stream, whatever the order of its files."""

    numbers: np.ndarray
    table: pa.Table

    def lengths(self) -> np.ndarray:
        """Characters of each row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        total = np.zeros(len(self.numbers), dtype=np.int64)
        for column in self.table.columns:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                total += pc.utf8_length(column).fill_null(0).to_numpy()
            elif pa.types.is_nested(column.type):
                total += [len(str(cell)) for cell in column.to_pylist()]
        return total

    def part(self, count: int, seed: Sequence[int]) -> Pool:
        """As many of the rows, drawn."""
        places = np.sort(np.random.default_rng(seed).permutation(len(self.numbers))[:count])
        return Pool(self.numbers[places], self.table.take(places))

    def rows(self, places: Sequence[int] | np.ndarray) -> dict[str, list[Any]]:
        """role -> values of the rows at some places of the pool."""
        return self.table.take(np.asarray(places, dtype=np.int64)).to_pydict()


class Pools:
    """Pools of the rows of a stream, in the order of an epoch.

    Where the number of rows is known, the order of the files is drawn in each epoch, files before the first pool that
    is asked for are not opened, and rows too few to give every process one are part of the pool before them.
    """

    def __init__(
        self, stream: FileStream, facts: StreamFacts, *, seed: int, size: int, world_size: int
    ) -> None:
        self.stream, self.facts, self.seed = stream, facts, seed
        self.size, self.world_size = size, world_size
        self.starts = np.cumsum([0, *facts.counts])

    def of(self, epoch: int, first: int = 0) -> Iterator[Pool]:
        """The pools of one pass over the data, from number ``first`` on.

        Raises BadInput for files that are not there any more or have another number of rows than they had.
        """
        sizes = iter(self.sizes()[first:]) if self.facts.whole else repeat(self.size)
        size, waiting = next(sizes), []
        for part in self._parts(epoch, first * self.size):
            waiting.append(part)
            while size and sum(len(each.numbers) for each in waiting) >= size:
                whole = _joined(waiting)
                yield Pool(whole.numbers[:size], whole.table.slice(0, size))
                waiting = [Pool(whole.numbers[size:], whole.table.slice(size))]
                size = next(sizes, 0)
        if rest := sum(len(each.numbers) for each in waiting):
            assert rest < self.size, "only what is read to an unknown end leaves rows"
            yield _joined(waiting)

    def sizes(self) -> list[int]:
        """Rows of each pool, where the number of rows is known."""
        rows = int(self.starts[-1])
        pools, rest = divmod(rows, self.size)
        if not pools:
            return [rows]
        if rest >= self.world_size:
            return [*[self.size] * pools, rest]
        return [*[self.size] * (pools - 1), self.size + rest]

    def _parts(self, epoch: int, skip: int) -> Iterator[Pool]:
        """Rows as they are read, without the first ``skip`` of them."""
        order: Sequence[int] = range(len(self.facts.counts))
        if self.facts.whole and len(order) > 1:
            order = np.random.default_rng([self.seed, epoch, 0, _FILES]).permutation(len(order)).tolist()
        read = 0
        for file in order:
            expected = self.facts.counts[file]
            if self.facts.whole and skip >= expected:
                skip -= expected
                continue
            start, row = int(self.starts[file]) if self.facts.whole else read, 0
            for table in self.stream.tables(file, self.facts.numbers, self.facts.columns.values()):
                count = table.num_rows
                if self.facts.whole and row + count > expected:
                    raise self._changed(file, f"more than {expected:,}", expected)
                if skip < count:
                    numbers = np.arange(start + row + skip, start + row + count)
                    yield Pool(numbers, self._by_role(table.slice(skip)))
                skip, row = max(0, skip - count), row + count
            read += row
            if self.facts.whole and row != expected:
                raise self._changed(file, f"{row:,}", expected)

    def _by_role(self, table: pa.Table) -> pa.Table:
        """The columns that the task reads, by their roles. A column that only other rows have is empty here."""
        import pyarrow as pa

        there = set(table.column_names)
        return pa.table(
            {
                role: table[column] if column in there else pa.nulls(table.num_rows)
                for role, column in self.facts.columns.items()
            }
        )

    def _changed(self, file: int, now: str, before: int) -> BadInput:
        what = f"has {now} rows now, and had {before:,} when the run was prepared"
        return BadInput(Problem(self.stream.name(file), what, "the same content, or a new run"))


def _joined(parts: Sequence[Pool]) -> Pool:
    import pyarrow as pa

    table = pa.concat_tables([part.table for part in parts], promote_options="permissive")
    return Pool(np.concatenate([part.numbers for part in parts]), table)
