"""json and jsonl to tables, with the line of what is wrong."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are Python objects at one time, and problems of one file that are shown.
CHUNK, MOST = 20_000, 5


def read_jsonl(lines: IO[str], name: str) -> "Iterator[pa.Table]":
    """One object a line; a field that a row lacks is None. ``name`` is the file's, for errors."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if not line.isspace())
    problems: list[Problem] = []

    def objects() -> Iterator[tuple[int, Any]]:
        for number, line in numbered:
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                what = f"is not JSON: {error.msg} at column {error.colno}: {line.strip()[:60]!r}"
                problems.append(Problem(where=f"{name}:{number}", what=what, allowed="one object a line"))
                if len(problems) == MOST:
                    return

    yield from _objects(objects(), name, problems)


def read_json(lines: IO[str], name: str) -> "Iterator[pa.Table]":
    """An array of objects, an object that holds one among other fields (``{"version": 2, "data": […]}``), or one
    object a line."""
    start = ""
    while not start.strip() and (start := lines.readline()):
        pass
    lines.seek(0)
    if not start.lstrip().startswith("[") and (not start.strip() or _is_json(start)):
        yield from read_jsonl(lines, name)
        return
    try:
        rows = json.load(lines)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg} at column {error.colno}"
        raise BadInput(Problem(where=f"{name}:{error.lineno}", what=what)) from error
    if isinstance(rows, dict):
        rows = _only_rows(rows, name)
    yield from _objects(enumerate(rows, start=1), name, [], unit=" row ")


def _is_json(line: str) -> bool:
    """Whether a line is whole by itself: then each line is an object."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def _only_rows(whole: dict[str, Any], name: str) -> list[Any]:
    """The rows in an object around them. Raises BadInput unless exactly one field holds objects."""
    fields = [
        field
        for field, value in whole.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    if len(fields) != 1:
        what = f"is one object, and {listing(fields) or 'none'} of its fields hold rows"
        raise BadInput(
            Problem(name, what, "an array of objects, one object a line, or one field with the rows")
        )
    return whole[fields[0]]


def _objects(
    numbered: Iterator[tuple[int, Any]], file: str, problems: list[Problem], unit: str = ":"
) -> "Iterator[pa.Table]":
    import pyarrow as pa

    tables = []
    while chunk := list(islice(numbered, CHUNK)):
        for number, row in chunk:
            if not isinstance(row, dict):
                what = f"is no object with named fields: {json.dumps(row)[:60]}"
                problems.append(Problem(where=f"{file}{unit}{number}", what=what))
        if problems:
            break
        columns: dict[str, pa.Array] = {}
        for column in dict.fromkeys(column for _, row in chunk for column in row):
            # A field that a row does not have is None there.
            values = [(number, row.get(column)) for number, row in chunk]
            try:
                columns[column] = pa.array([value for _, value in values])
            except pa.ArrowException:
                problems.append(_mixed(column, values, file, unit))
        tables.append(pa.table(columns))
    if problems:
        raise BadInput(problems)
    yield from tables


def _mixed(column: str, values: list[tuple[int, Any]], file: str, unit: str) -> Problem:
    """The first value that is of another type than one before it."""
    import pyarrow as pa

    filled = [(number, value) for number, value in values if value is not None]
    first = filled[0][1]
    for number, value in filled:
        try:
            pa.array([first, value])
        except pa.ArrowException:
            what = f"{column!r} is {json.dumps(value)[:40]} here and {json.dumps(first)[:40]} before"
            return Problem(where=f"{file}{unit}{number}", what=what, allowed="one type a column")
    return Problem(
        where=file, what=f"{column!r} holds values of different types", allowed="one type a column"
    )
