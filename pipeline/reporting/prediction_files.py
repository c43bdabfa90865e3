"""Predictions to a file that is whole when it appears, or to standard output as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import BadInput, Problem, listing, nearest

Row = dict[str, Any]
# What is predicted, alone, of a row that cannot be answered.
ERROR = "error"
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

    jsonl keeps nested values; csv and tsv write them as JSON; txt has the first predicted value alone, a line a
    row: line ends in it are written as ``\\n`` and ``\\r``. Of a row that could not be answered only ``error`` is
    predicted: a csv has a column of that name where there are such rows, and a txt an empty line.
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
    if _unanswered(said):
        return ""
    value = next(iter(said.values()))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "\\n").replace("\r", "\\r")


def _unanswered(said: Mapping[str, Any]) -> bool:
    return said.keys() == {ERROR}


@contextmanager
def _lines(path: Path, text: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda row, said: print(text(row, said), file=file)


@contextmanager
def _delimited(path: Path, delimiter: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = _Delimited(file, delimiter)
        yield rows
    if rows.errors:
        _add_column(path, delimiter, rows.errors, rows.columns)


class _Delimited:
    """Rows under the columns of the first one that was answered.

    errors: of rows that were not, by their number from 1.
    """

    def __init__(self, file: IO[str], delimiter: str) -> None:
        self.writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        self.columns: list[str] = []
        self.errors: dict[int, str] = {}
        self._count = 0
        self._waiting: list[Mapping[str, Any]] = []

    def __call__(self, row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        self._count += 1
        if _unanswered(said):
            self.errors[self._count] = said[ERROR]
            if not self.columns:
                self._waiting.append(row)
                return
            said = {}
        cells = merged(row, said)
        if not self.columns:
            self.columns = list(cells)
            self.writer.writerow(self.columns)
            for before in self._waiting:
                self._write(before)
        self._write(cells)

    def _write(self, cells: Mapping[str, Any]) -> None:
        if more := [name for name in cells if name not in self.columns]:
            what = f"a row has columns that the first one lacks: {listing(more)}"
            raise BadInput(Problem("output", what, "output=FILE.jsonl, where rows may differ"))
        self.writer.writerow([_cell(cells.get(name)) for name in self.columns])


def _add_column(path: Path, delimiter: str, errors: Mapping[int, str], columns: list[str]) -> None:
    """What is wrong with some rows, as their last cell."""
    (name,) = merged(dict.fromkeys(columns), {ERROR: ""}).keys() - set(columns)
    wider = path.with_name(f"{path.name}.wider")
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with (
            path.open(encoding="utf-8", newline="") as narrow,
            wider.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            for number, row in enumerate(csv.reader(narrow, delimiter=delimiter)):
                writer.writerow([*row, errors.get(number, "") if number else name])
        wider.replace(path)
    finally:
        csv.field_size_limit(limit)
        wider.unlink(missing_ok=True)


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
