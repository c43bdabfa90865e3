"""Rows of files as Arrow files that are mapped into memory: what they take there does not grow with their number."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.data.arrow_parts import ArrowParts, read_tables
from pipeline.data.bad_rows import BadRows
from pipeline.errors import BadInput, Problem, listing
from pipeline.sources.reading.locating import Located
from pipeline.sources.reading.mixed import as_texts, disagreeing, marks
from pipeline.sources.reading.numbers import NumberColumns, Wanted, types_of, with_numbers
from pipeline.sources.reading.tables import Reading, chunks

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

# The rows that were left out, beside one Arrow file a split.
BAD_ROWS = "bad_rows.jsonl"
# "numbers": the columns of csv and tsv that can be numbers, with their kinds. "mixed": those that are text because
# their values are of several types.
COLUMNS = "columns.json"
# Tables whose columns are text that may be numbers.
TEXT = "text"


def store(folder: Path, splits: Mapping[str, Sequence[Located]], reading: Reading, *, skip: bool) -> None:
    """Write the rows of all splits to ``folder``; with ``skip`` without those that cannot be read.

    Cells of csv and tsv are the texts that are written there, but numbers where other files of the split have numbers.
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
    numbers, bad, mixed = NumberColumns(), BadRows(listed), set[str]()
    parts = {split: ArrowParts(_file(folder, split)) for split in splits}
    for split, files in splits.items():
        for file in files:
            try:
                kind = TEXT if reading.format_of(file) in ("csv", "tsv") else ""
                for table in chunks(file, reading, bad):
                    parts[split].add(table, kind)
                    mixed |= marks(table)
                    if kind:
                        numbers.see(table)
            except BadInput as found:
                problems += found.problems
        parts[split].close()
    problems += bad.problems()
    if problems:
        raise BadInput(problems)
    types = types_of(numbers.kinds(), dict.fromkeys(numbers.kinds(), "any"))
    for split, files in splits.items():
        try:
            mixed |= _join(parts[split], types, reading.one_type)
        except pa.ArrowException as error:
            where, what = listing(file.name for file in files), "these files have columns of different types"
            problems.append(Problem(where, f"{what}: {error}"))
    if problems:
        raise BadInput(problems)
    facts = {"numbers": numbers.kinds(), "mixed": sorted(mixed)}
    (folder / COLUMNS).write_text(json.dumps(facts), encoding="utf-8")


def _join(parts: ArrowParts, types: Mapping[str, str], one_type: Collection[str]) -> set[str]:
    """One file of the tables of a split. Returns the columns that are text since their types differ."""
    import pyarrow as pa

    typed = [schema for _, schema, kind in parts.written if kind != TEXT]
    numeric = {
        field.name
        for schema in typed
        for field in schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    }
    beside = {name: kind for name, kind in types.items() if name in numeric}
    texts = [
        with_numbers(schema.empty_table(), beside).schema for _, schema, kind in parts.written if kind == TEXT
    ]
    mixed = disagreeing([*typed, *texts]) - set(one_type)

    def changed(table: "pa.Table", kind: str) -> "pa.Table":
        return as_texts(with_numbers(table, beside) if kind == TEXT else table, mixed)

    parts.join(changed)
    return mixed


def mixed_columns(folder: Path) -> set[str]:
    """The columns of :func:`store`'s rows that are text because their values are of several types."""
    return set(_facts(folder)["mixed"])


def stored(folder: Path, split: str, columns: Mapping[str, Wanted | None]) -> "Dataset":
    """The rows of a split that :func:`store` wrote. columns: which numbers are read in them; others are as written."""
    from datasets import Dataset, concatenate_datasets

    rows = Dataset.from_file(str(_file(folder, split)))
    types = types_of(_facts(folder)["numbers"], columns)
    texts = [name for name in rows.column_names if name in types and rows.features[name].dtype == "string"]
    if not texts:
        return rows
    # In memory are the numbers alone, eight bytes a row and column.
    numbers = Dataset(with_numbers(rows.data.table.select(texts), types))
    return concatenate_datasets([rows.remove_columns(texts), numbers], axis=1).select_columns(
        rows.column_names
    )


def _facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / COLUMNS).read_text(encoding="utf-8"))


def tables(folder: Path, split: str) -> "Iterator[pa.Table]":
    """The same, a few thousand rows at a time."""
    yield from read_tables(_file(folder, split))


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"
