"""json and jsonl to tables, with the line of what is wrong."""

import json
from collections.abc import Collection, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from pipeline.data.bad_rows import BadRow, BadRows
from pipeline.data.origins import ORIGIN
from pipeline.errors import BadInput, Problem, listing
from pipeline.sources.reading.batching import batches
from pipeline.sources.reading.column_types import ColumnTypes
from pipeline.sources.reading.decoding import add_undecoded, is_decoded
from pipeline.sources.reading.json_array import Element, elements
from pipeline.sources.reading.mixed import marked

if TYPE_CHECKING:
    import pyarrow as pa


class JsonRow(NamedTuple):
    """An object, and where it begins. line: 0 where only its place among the rows is known."""

    line: int
    place: str
    value: dict[str, Any]
    raw: str


def read_jsonl(
    lines: IO[str], name: str, encoding: str, bad: BadRows, one_type: Collection[str] = ()
) -> "Iterator[pa.Table]":
    """One object a line; a field that a row lacks is None. ``name`` is the file's.

    Bad are lines that are no object or not of the encoding, and in the columns ``one_type`` values that are of another
    type than those before.
    """

    def objects() -> Iterator[JsonRow]:
        for number, line in enumerate(lines, start=1):
            if line.isspace():
                continue
            raw = line.rstrip("\r\n")
            if not is_decoded(line):
                add_undecoded(bad, name, number, raw, encoding)
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                bad.add(
                    BadRow(name, number, None, f"is not JSON: {_why(error, raw)}", raw), "one object a line"
                )
                continue
            yield JsonRow(number, f"{name}:{number}", value, raw)

    yield from _tables(objects(), name, bad, one_type)


def _why(error: Exception, raw: str) -> str:
    """Of a number of thousands of digits, or of objects within a thousand others, only Python's limit is known."""
    what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
    return f"{what}: {raw.strip()[:60]!r}"


def read_json(
    lines: IO[str], name: str, encoding: str, bad: BadRows, one_type: Collection[str] = ()
) -> "Iterator[pa.Table]":
    """An array of objects, an object that holds one among other fields (``{"version": 2, "data": […]}``), or one
    object a line."""
    start = ""
    while not start.strip() and (start := lines.readline()):
        pass
    lines.seek(0)
    if start.lstrip().startswith("["):
        yield from _tables(_array(elements(lines, name), name, encoding, bad), name, bad, one_type)
    elif not start.strip() or _is_json(start):
        yield from read_jsonl(lines, name, encoding, bad, one_type)
    else:
        yield from _tables(_inside(lines, name, encoding), name, bad, one_type)


def _array(found: Iterator[Element], name: str, encoding: str, bad: BadRows) -> Iterator[JsonRow]:
    for element in found:
        if is_decoded(element.raw):
            yield JsonRow(element.line, f"{name}:{element.line}", element.value, element.raw)
        else:
            add_undecoded(bad, name, element.line, element.raw, encoding)


def _inside(lines: IO[str], name: str, encoding: str) -> Iterator[JsonRow]:
    """Raises BadInput for a file that is no JSON as a whole, or has no rows in it."""
    text = lines.read()
    if not is_decoded(text):
        raise BadInput(Problem(name, f"is not {encoding}"))
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg} at column {error.colno}"
        raise BadInput(Problem(f"{name}:{error.lineno}", what)) from error
    rows = _only_rows(whole, name) if isinstance(whole, dict) else [whole]
    for number, row in enumerate(rows, start=1):
        yield JsonRow(0, f"{name} row {number}", row, json.dumps(row, ensure_ascii=False))


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


def _tables(
    rows: Iterator[JsonRow], name: str, bad: BadRows, one_type: Collection[str]
) -> "Iterator[pa.Table]":
    import pyarrow as pa

    types = ColumnTypes(name, one_type)

    def add(row: JsonRow, what: str, column: str | None = None, allowed: str = "") -> None:
        file = name if row.line else row.place
        bad.add(BadRow(file, row.line or None, column, what, row.raw), allowed)

    def objects() -> Iterator[JsonRow]:
        for row in rows:
            if isinstance(row.value, dict):
                yield row
            else:
                add(row, f"is no object with named fields: {json.dumps(row.value)[:60]}")

    for chunk in batches(objects(), lambda row: len(row.raw)):
        for place, column, what, allowed in types.faults([row.value for row in chunk]):
            add(chunk[place], what, column, allowed)
            chunk[place] = None  # type: ignore[call-overload]
        good = [row for row in chunk if row is not None]
        if good:
            columns = types.arrays([row.value for row in good])
            columns[ORIGIN] = pa.array([row.place for row in good], pa.string())
            yield marked(pa.table(columns), types.mixed)
