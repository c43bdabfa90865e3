"""Predictions to a file that is whole when it appears, or to standard output as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import BadInput, Problem, listing, nearest

Row = dict[str, Any]
Write = Callable[[Mapping[str, Any], Mapping[str, Any]], None]


def check_output(path: str | None) -> None:
    """Raises BadInput for a suffix without a format, a folder that does not exist, or a folder as file."""
    if path is None or path == "-":
        return
    target = Path(path)
    if target.is_dir():
        raise BadInput(
            Problem("output", f"{path} is a folder", f"a file: {path.rstrip('/')}/predictions.jsonl")
        )
    if target.suffix not in _WRITERS:
        allowed = f"a name that ends in {listing(_WRITERS)}; or - for standard output"
        what = f"{path!r} has no known format"
        raise BadInput(Problem("output", what, allowed, nearest(target.suffix, _WRITERS)))
    if not target.parent.is_dir():
        raise BadInput(Problem("output", f"there is no folder {target.parent}", "an existing folder"))


@contextmanager
def writing(path: str | None) -> Iterator[Write]:
    """A function that takes an input row and what was predicted of it; the suffix decides the format.

    jsonl keeps nested values; csv and tsv write them as JSON; txt has the first predicted value alone.
    ``-`` and None are jsonl on standard output. Raises BadInput as :func:`check_output` does, and for rows
    that do not fit into one table.
    """
    check_output(path)
    if path is None or path == "-":
        yield lambda row, said: print(_line(row, said), flush=True)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.writing")
    try:
        with _WRITERS[target.suffix](temporary) as write:
            yield write
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def merged(row: Mapping[str, Any], said: Mapping[str, Any]) -> Row:
    """Both in one row; a prediction never hides an input column of its name."""
    both = dict(row)
    for name, value in said.items():
        while name in row:
            name = f"predicted_{name}"
        both[name] = value
    return both


def _line(row: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    return json.dumps(merged(row, said), ensure_ascii=False, default=str)


def _first_value(row: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    value = next(iter(said.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def _lines(path: Path, text: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda row, said: print(text(row, said), file=file)


@contextmanager
def _delimited(path: Path, delimiter: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Delimited(file, delimiter)


class _Delimited:
    """Rows under the columns of the first one."""

    def __init__(self, file: IO[str], delimiter: str) -> None:
        self.writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        self.columns: list[str] = []

    def __call__(self, row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        cells = merged(row, said)
        if not self.columns:
            self.columns = list(cells)
            self.writer.writerow(self.columns)
        if more := [name for name in cells if name not in self.columns]:
            what = f"a row has columns that the first one lacks: {listing(more)}"
            raise BadInput(Problem("output", what, "output=FILE.jsonl, where rows may differ"))
        self.writer.writerow([_cell(cells.get(name)) for name in self.columns])


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Row] = []
    yield lambda row, said: rows.append(merged(row, said))
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
    except pa.ArrowException as error:
        what = f"a column holds values of different types: {error}"
        raise BadInput(Problem("output", what, "output=FILE.jsonl, where rows may differ")) from error
    pq.write_table(table, path)


_WRITERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".jsonl": lambda path: _lines(path, _line),
    ".csv": lambda path: _delimited(path, ","),
    ".tsv": lambda path: _delimited(path, "\t"),
    ".parquet": _parquet,
    ".txt": lambda path: _lines(path, _first_value),
}
