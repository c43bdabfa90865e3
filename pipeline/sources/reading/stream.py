"""Files whose rows are read when they are needed, again for every pass over them."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.origins import ORIGIN
from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.locating import Located
from pipeline.sources.reading.numbers import NumberColumns, Wanted, types_of, with_numbers
from pipeline.sources.reading.tables import Reading, chunks

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scan:
    """What one pass over a stream found.

    counts: rows of each file. whole: whether the pass came to the end. numbers: the columns of csv and tsv that are
    read as numbers, with their types. sample: rows of all files, as they stand there.
    """

    counts: list[int]
    whole: bool
    numbers: dict[str, str]
    sample: "pa.Table"


@dataclass(frozen=True)
class FileStream:
    """scan: rows to look at before training; None: all of them."""

    files: tuple[Located, ...]
    reading: Reading
    scan: int | None = None

    def name(self, file: int) -> str:
        """What the user calls the file of this number."""
        return self.files[file].name

    def tables(
        self, file: int, numbers: Mapping[str, str] | None = None, read: Collection[str] = ()
    ) -> "Iterator[pa.Table]":
        """The rows of one file, a few thousand at a time, with the columns in ``numbers`` as numbers.

        read: the columns that have to be of one type.
        Raises BadInput for a file that is not there, and for rows that cannot be read.
        """
        import pyarrow as pa

        reading = dataclasses.replace(self.reading, one_type=frozenset(read))
        located = self.files[file]
        # A connection is of the process that made it; workers are others.
        system = type(located.system)(*located.system.storage_args, **located.system.storage_options)
        for table in chunks(dataclasses.replace(located, system=system), reading):
            try:
                yield with_numbers(table, numbers or {})
            except pa.ArrowException as error:
                where = table[ORIGIN][0].as_py()
                what = f"from here on, a column is no number, as it was in the rows looked at: {error}"
                raise BadInput(Problem(where, what, "a larger data.scan, or numbers")) from error

    def look(
        self, classes: Sequence[str], filled: Sequence[str], columns: Mapping[str, Wanted | None]
    ) -> Scan:
        """One pass over the rows, or over as many as ``scan`` says.

        classes: columns of whose values the sample has every one. filled: columns in which no cell may be empty.
        columns: those that are read, and which numbers are in each.
        Raises BadInput with what is wrong in all files.
        """
        from pipeline.sources.reading.sampling import Sample

        numbers, sample, counts = NumberColumns(), Sample(classes, columns), [0] * len(self.files)
        problems, whole, unchecked = self._mixed(), True, set(filled)
        for file in range(len(self.files)):
            try:
                for table in self.tables(file, read=columns):
                    if self.scan is not None and table.num_rows > (left := self.scan - sum(counts)):
                        table, whole = table.slice(0, left), False
                    counts[file] += table.num_rows
                    problems += _empty(table, unchecked)
                    if self._is_text(file):
                        numbers.see(table)
                    sample.add(table)
                    if not whole:
                        break
            except BadInput as bad:
                problems += bad.problems
            if not whole:
                break
        if problems:
            raise BadInput(problems)
        types = types_of(numbers.kinds(), columns)
        return Scan(counts, whole, types, with_numbers(sample.table(), types))

    def _is_text(self, file: int) -> bool:
        return self.reading.format_of(self.files[file]) in ("csv", "tsv")

    def _mixed(self) -> list[Problem]:
        if len({self._is_text(file) for file in range(len(self.files))}) == 1:
            return []
        what = "csv or tsv and other files are in one stream, and what is a number is said by the others only"
        return [Problem("data.train", what, "files of one format")]


def _empty(table: "pa.Table", columns: set[str]) -> list[Problem]:
    """The first empty cell of each column, which leaves ``columns`` then: one is enough to be told of."""
    import pyarrow.compute as pc

    problems = []
    for column in sorted(columns & set(table.column_names)):
        if table[column].null_count:
            place = table[ORIGIN].filter(pc.is_null(table[column]))[0].as_py()
            problems.append(Problem(place, f"nothing in {column!r}", "a value in every row"))
            columns.remove(column)
    return problems
