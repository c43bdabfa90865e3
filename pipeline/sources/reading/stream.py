"""Files whose rows are read when they are needed, again for every pass over them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.origins import ORIGIN
from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.locating import Located
from pipeline.sources.reading.numbers import NumberColumns, with_numbers
from pipeline.sources.reading.sampling import Sample
from pipeline.sources.reading.tables import Reading, chunks

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scan:
    """What one pass over a stream found.

    counts: rows of each file. whole: whether the pass came to the end. numbers: the columns of csv and tsv that are
    numbers, with their types. sample: rows of all files, as they stand there.
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

    def tables(self, file: int, numbers: Mapping[str, str] | None = None) -> "Iterator[pa.Table]":
        """The rows of one file, a few thousand at a time, with the columns in ``numbers`` as numbers.

        Raises BadInput for a file that is not there, and for rows that cannot be read.
        """
        import pyarrow as pa

        located = self.files[file]
        # A connection is of the process that made it; workers are others.
        system = type(located.system)(*located.system.storage_args, **located.system.storage_options)
        types = {column: pa.type_for_alias(kind) for column, kind in (numbers or {}).items()}
        for table in chunks(dataclasses.replace(located, system=system), self.reading):
            try:
                yield with_numbers(table, types)
            except pa.ArrowException as error:
                where = table[ORIGIN][0].as_py()
                what = f"from here on, a column is no number, as it was in the rows looked at: {error}"
                raise BadInput(Problem(where, what, "a larger data.scan, or numbers")) from error

    def look(self, classes: Sequence[str], filled: Sequence[str]) -> Scan:
        """One pass over the rows, or over as many as ``scan`` says.

        classes: columns of whose values the sample has every one. filled: columns in which no cell may be empty.
        Raises BadInput with what is wrong in all files.
        """
        numbers, sample, counts = NumberColumns(), Sample(classes), [0] * len(self.files)
        problems, whole, unchecked = self._mixed(), True, set(filled)
        for file in range(len(self.files)):
            try:
                for table in self.tables(file):
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
        types = numbers.types()
        rows = with_numbers(sample.table(), types)
        return Scan(counts, whole, {column: str(kind) for column, kind in types.items()}, rows)

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
