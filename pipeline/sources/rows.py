"""Rows to predict: from a file of any format that training reads, or from standard input."""

import csv
import json
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem
from pipeline.sources.base import Source
from pipeline.sources.files import Files
from pipeline.sources.reading.locating import Located, locate
from pipeline.sources.reading.stored import store, tables
from pipeline.sources.reading.tables import Reading

DELIMITERS = {"csv": ",", "tsv": "\t"}


def read_rows(path: str | None, like: Source) -> Iterator[dict[str, Any]]:
    """Rows of a csv, tsv, jsonl, json, parquet, arrow or txt file; of standard input for ``-`` or None.

    like: where it is `data=files`, its encoding, delimiter and quote hold here too. Standard input is a text or an
    object of JSON a line, in UTF-8; with its format csv or tsv it is that, with a header.
    Raises BadInput for a missing file at once, and as the source `files` does when rows are asked for.
    """
    if path is None and sys.stdin.isatty():
        raise BadInput(Problem("input", "which rows?", "input=FILE, or - for standard input"))
    if path is None or path == "-":
        lines = _decoded(sys.stdin)
        if isinstance(like, Files) and like.format in DELIMITERS:
            return parse_delimited(lines, like.delimiter or DELIMITERS[like.format], like.quote)
        return parse_lines(lines, set(like.columns.values()))
    files = locate(path, "input")
    return _file_rows(files, _reading(files, like))


def _reading(files: list[Located], like: Source) -> Reading:
    alike = (None, like.encoding, like.delimiter, like.quote) if isinstance(like, Files) else ()
    reading = Reading(*alike)
    for file in files:
        try:
            reading.format_of(file)
        except BadInput:
            if not isinstance(like, Files) or like.format is None:
                raise
            return replace(reading, format=like.format)
    return reading


def _file_rows(files: list[Located], reading: Reading) -> Iterator[dict[str, Any]]:
    """The files are read to their end first: nothing is said of the first row where the last one cannot be read."""
    with TemporaryDirectory() as folder:
        store(Path(folder) / "rows", {"input": files}, reading, skip=False)
        for table in tables(Path(folder) / "rows", "input"):
            yield from table.select(visible(table.column_names)).to_pylist()


def _decoded(stream: IO[str]) -> Iterator[str]:
    """Lines of UTF-8. Raises BadInput for others, which Python might hand on as half characters."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        yield from stream
        return
    for number, line in enumerate(binary, 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            before = line[: error.start].decode("utf-8")[-20:]
            what = f"is not utf-8: byte 0x{line[error.start]:02x} after {before!r}"
            raise BadInput(Problem(f"standard input:{number}", what, "text in utf-8")) from error


def parse_lines(lines: Iterable[str], columns: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """One row a line as it comes: JSON objects if the first one is, else texts.

    Empty lines between objects are left out; among texts they are texts, so that line numbers stay what they are.
    columns: of which one in the first line shows that this is the header of a csv. Raises BadInput for that.
    """
    as_json: bool | None = None
    for number, line in enumerate(lines, 1):
        line = line.lstrip("\ufeff").strip()
        if as_json is None and line:
            as_json = line.startswith("{")
            if not as_json:
                _check_no_header(line, columns)
                yield from ({"text": ""} for _ in range(1, number))
        if line or as_json is False:
            yield _object(line, number) if as_json else {"text": line}


def parse_delimited(lines: Iterable[str], delimiter: str, quote: str | None) -> Iterator[dict[str, Any]]:
    """Rows under a header. All cells are texts. Raises BadInput for a row with more or fewer cells."""
    quoting: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if quote is None else {"quotechar": quote}
    reader = csv.DictReader(lines, delimiter=delimiter, **quoting)
    if reader.fieldnames:
        reader.fieldnames = [name.removeprefix("\ufeff") for name in reader.fieldnames]
    for row in reader:
        if None in row or None in row.values():
            what = f"has not the {len(reader.fieldnames or ())} cells of the header"
            raise BadInput(Problem(f"standard input:{reader.line_num}", what, "as many in every row"))
        yield dict(row)


def _check_no_header(line: str, columns: Collection[str]) -> None:
    for name, delimiter in DELIMITERS.items():
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if len(cells) > 1 and (there := {*columns} & {*cells}):
            what = f"looks like the header of a {name}: it has the column {min(there)!r}"
            allowed = f"data.format={name} (data=files); or a text, or an object {{…}}, in every line; or input=FILE"
            raise BadInput(Problem("standard input:1", what, allowed))


def _object(line: str, number: int) -> dict[str, Any]:
    where, allowed = f"standard input:{number}", "one object a line, {…}, as in the first"
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadInput(Problem(where, f"is not JSON: {error}", allowed)) from error
    if not isinstance(row, dict):
        raise BadInput(Problem(where, f"{line[:50]!r} is not an object", allowed))
    return row
