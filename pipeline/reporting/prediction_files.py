"""Predictions to a file that is whole when it appears, or to standard output as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import BadInput, Problem

FORMATS = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")
Write = Callable[[Mapping[str, Any], Mapping[str, Any]], None]


@contextmanager
def writing(path: str) -> Iterator[Write]:
    """A function that takes an input row and what was predicted of it; the suffix decides the format.

    jsonl keeps nested values; csv and tsv write them as JSON; txt has the first predicted value alone.
    Raises BadInput for another suffix or a folder that does not exist.
    """
    if path == "-":
        yield lambda row, said: print(_line(row, said), flush=True)
        return
    target = Path(path)
    if target.suffix not in FORMATS:
        raise BadInput(Problem("output", f"'{path}' has no known format", f"a name ending in {', '.join(FORMATS)}, or -"))
    if not target.parent.is_dir():
        raise BadInput(Problem("output", f"there is no folder {target.parent}", "an existing folder"))
    temporary = target.with_name(f".{target.name}.writing")
    try:
        with _WRITERS[target.suffix](temporary) as write:
            yield write
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def merged(row: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Both in one row; a prediction never hides an input column of its name."""
    clash = {name: f"predicted_{name}" if name in row else name for name in said}
    return {**row, **{clash[name]: value for name, value in said.items()}}


def _line(row: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    return json.dumps(merged(row, said), ensure_ascii=False, default=str)


@contextmanager
def _lines(path: Path, text: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
            file.write(text(row, said) + "\n")

        yield write


@contextmanager
def _delimited(path: Path, delimiter: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Delimited(file, delimiter)


class _Delimited:
    def __init__(self, file: IO[str], delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self.writer: csv.DictWriter | None = None

    def __call__(self, row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        cells = {
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
            for name, value in merged(row, said).items()
        }
        if self.writer is None:
            self.writer = csv.DictWriter(self.file, list(cells), delimiter=self.delimiter, lineterminator="\n")
            self.writer.writeheader()
        self.writer.writerow(cells)


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    yield lambda row, said: rows.append(merged(row, said))
    pq.write_table(pa.Table.from_pylist(rows), path)


_WRITERS: dict[str, Any] = {
    ".jsonl": lambda path: _lines(path, _line),
    ".csv": lambda path: _delimited(path, ","),
    ".tsv": lambda path: _delimited(path, "\t"),
    ".parquet": _parquet,
    ".txt": lambda path: _lines(path, lambda row, said: str(next(iter(said.values())))),
}

