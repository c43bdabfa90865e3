"""Rows of files as Arrow files that are mapped into memory: what they take there does not grow with their number."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

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
    problems: list[Problem] = []
    numbers, bad = NumberColumns(), BadRows(listed)
    parts = {split: _Parts(folder, split) for split in splits}
    for split, files in splits.items():
        for file in files:
            try:
                is_text = reading.format_of(file) in ("csv", "tsv")
                for table in chunks(file, reading, bad):
                    parts[split].add(table, is_text)
                    if is_text:
                        numbers.see(table)
            except BadInput as found:
                problems += found.problems
        parts[split].close()
    problems += bad.problems()
    if problems:
        raise BadInput(problems)
    for split, files in splits.items():
        try:
            parts[split].join(folder / f"{split}.arrow", numbers.types())
        except _Different as error:
            where, what = listing(file.name for file in files), "these files have columns of different types"
            problems.append(Problem(where, f"{what}: {error}"))
    if problems:
        raise BadInput(problems)


def stored(folder: Path, split: str) -> "Dataset":
    """The rows of a split that :func:`store` wrote."""
    from datasets import Dataset

    return Dataset.from_file(str(folder / f"{split}.arrow"))


def tables(folder: Path, split: str) -> "Iterator[pa.Table]":
    """The same, a few thousand rows at a time."""
    yield from _read(folder / f"{split}.arrow")


class _Different(Exception):
    """No type holds all values of a column."""


class _Parts:
    """The rows of a split in files of one schema each, until it is known which schema holds all of them."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        # Whether the columns are text that may be numbers.
        self.written: list[tuple[Path, pa.Schema, bool]] = []
        self.writer: pa.RecordBatchStreamWriter | None = None

    def add(self, table: "pa.Table", is_text: bool) -> None:
        import pyarrow as pa

        if self.writer is None or self.written[-1][1:] != (table.schema, is_text):
            self.close()
            path = self.folder / f"{self.split}.{len(self.written)}.part"
            self.written.append((path, table.schema, is_text))
            self.writer = pa.ipc.new_stream(str(path), table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def join(self, target: Path, numbers: "Mapping[str, pa.DataType]") -> None:
        """Write one file of one schema in place of the parts. Raises _Different."""
        import pyarrow as pa

        typed = [
            with_numbers(schema.empty_table(), numbers).schema if is_text else schema
            for _, schema, is_text in self.written
        ]
        try:
            whole = pa.unify_schemas(typed, promote_options="permissive")
        except pa.ArrowException as error:
            raise _Different(str(error)) from error
        if len(self.written) == 1 and whole == self.written[0][1]:
            self.written[0][0].rename(target)
            return
        with pa.ipc.new_stream(str(target), whole) as writer:
            for path, _, is_text in self.written:
                for table in _read(path):
                    table = with_numbers(table, numbers) if is_text else table
                    parts = [whole.empty_table(), table]
                    writer.write_table(pa.concat_tables(parts, promote_options="permissive").combine_chunks())
                path.unlink()


def _read(path: Path) -> "Iterator[pa.Table]":
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])
