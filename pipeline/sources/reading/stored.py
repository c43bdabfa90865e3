"""Rows of files as Arrow files that are mapped into memory: what they take there does not grow with their number."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipeline.data.arrow_parts import ArrowParts, read_tables
from pipeline.data.bad_rows import BadRows
from pipeline.errors import BadInput, Problem, listing
from pipeline.sources.reading.locating import Located
from pipeline.sources.reading.numbers import NumberColumns, with_numbers
from pipeline.sources.reading.tables import Reading, chunks

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

# The rows that were left out, beside one Arrow file a split.
BAD_ROWS = "bad_rows.jsonl"
# Tables whose columns are text that may be numbers.
TEXT = "text"


def store(folder: Path, splits: Mapping[str, Sequence[Located]], reading: Reading, *, skip: bool) -> None:
    """Write the rows of all splits to ``folder``; with ``skip`` without those that cannot be read.

    Raises BadInput with the problems of all files together.
    """
    folder.mkdir()
    with (folder / BAD_ROWS).open("w", encoding="utf-8") as listed:
        _store(folder, splits, reading, listed if skip else None)


def _store(
    folder: Path, splits: Mapping[str, Sequence[Located]], reading: Reading, listed: IO[str] | None
) -> None:
    import pyarrow as pa

    problems: list[Problem] = []
    numbers, bad = NumberColumns(), BadRows(listed)
    parts = {split: ArrowParts(_file(folder, split)) for split in splits}
    for split, files in splits.items():
        for file in files:
            try:
                kind = TEXT if reading.format_of(file) in ("csv", "tsv") else ""
                for table in chunks(file, reading, bad):
                    parts[split].add(table, kind)
                    if kind:
                        numbers.see(table)
            except BadInput as found:
                problems += found.problems
        parts[split].close()
    problems += bad.problems()
    if problems:
        raise BadInput(problems)
    for split, files in splits.items():
        try:
            parts[split].join({TEXT: partial(with_numbers, types=numbers.types())})
        except pa.ArrowException as error:
            where, what = listing(file.name for file in files), "these files have columns of different types"
            problems.append(Problem(where, f"{what}: {error}"))
    if problems:
        raise BadInput(problems)


def stored(folder: Path, split: str) -> "Dataset":
    """The rows of a split that :func:`store` wrote."""
    from datasets import Dataset

    return Dataset.from_file(str(_file(folder, split)))


def tables(folder: Path, split: str) -> "Iterator[pa.Table]":
    """The same, a few thousand rows at a time."""
    yield from read_tables(_file(folder, split))


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"
