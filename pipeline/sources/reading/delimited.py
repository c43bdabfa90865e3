"""csv and tsv to tables of text, and which of their columns are numbers.

What is a number is decided over all files together, so that a label is not a number in one split and a word
in another. A column becomes numbers only where every value in it is written as one ("007" and dates stay as
they are written), and "NA" or "null" in a text is just text.
"""

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are Python objects at one time, and problems of one file that are shown.
CHUNK, MOST = 20_000, 5
# A number as programs write it: no leading zero, no plus, no more digits than 64 bits hold.
NUMBER = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$"

# What else is often between fields, and how to say so; in quotes for bash and for Hydra.
OTHERS = {";": "\"data.delimiter=';'\"", "\t": "data.format=tsv"}
COMMA = "\"data.delimiter=','\""


def read_delimited(
    lines: IO[str], name: str, delimiter: str, quote: str | None, sure: bool = True
) -> "Iterator[pa.Table]":
    """Tables of text columns. ``quote`` None: quotes are text. ``name`` is the file's, for errors.

    sure: whether somebody chose the delimiter; if not, a header that another one divides is refused.

    A line without anything is no row, as in pandas; quoted fields may span lines.
    Raises BadInput naming the lines that have another number of fields than the header.
    """
    import pyarrow as pa

    csv.field_size_limit(2**31 - 1)  # The default refuses an article of more than 128 KiB.
    options: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    rows = csv.reader(lines, delimiter=delimiter, strict=True, **options)
    problems: list[Problem] = []
    records = _records(rows, name, problems)
    header = [column or f"Unnamed: {position}" for position, column in enumerate(next(records, []))]
    if len(header) == 1 and delimiter == "," and not sure:
        _check_delimiter(header[0], f"{name}:1")
    if len(set(header)) < len(header):
        twice = listing(sorted({column for column in header if header.count(column) > 1}))
        raise BadInput(Problem(where=f"{name}:1", what=f"two columns have the same name: {twice}"))

    def well_formed() -> Iterator[list[str]]:
        for row in records:
            if len(row) == len(header):
                yield row
                continue
            problems.append(_wrong_width(f"{name}:{rows.line_num}", row, header, delimiter, quote))
            if len(problems) == MOST:
                return

    formed = well_formed()
    tables = []
    while chunk := list(islice(formed, CHUNK)):
        columns = [pa.array(column, pa.string()) for column in zip(*chunk, strict=True)]
        tables.append(pa.table(columns, names=header))
    if problems:
        raise BadInput(problems)
    yield from tables


def _check_delimiter(header: str, where: str) -> None:
    """Raises BadInput for the header of a csv that is one column only because commas are no delimiters in it."""
    for other, said in OTHERS.items():
        if other in header:
            what = f"{header!r} is one column, as the delimiter is a comma"
            raise BadInput(Problem(where, what, f"{said}; if it is one column, {COMMA}"))


def _records(rows: Any, name: str, problems: list[Problem]) -> Iterator[list[str]]:
    try:
        yield from filter(None, rows)
    except csv.Error as error:
        hint = "a field in quotes wholly, those inside doubled; or data.quote=null: quotes are plain text"
        problems.append(Problem(where=f"{name}:{rows.line_num}", what=f"is not csv: {error}", allowed=hint))


def _wrong_width(where: str, row: list[str], header: list[str], delimiter: str, quote: str | None) -> Problem:
    return Problem(
        where=where,
        what=f"{len(row)} fields where the header has {len(header)} ({listing(header)}): "
        + repr(delimiter.join(row))[:80],
        allowed=f"data.delimiter (now {delimiter!r}) and data.quote (now {quote!r}) say how fields end",
    )


def number_types(tables: "list[pa.Table]") -> "dict[str, pa.DataType]":
    """Which text columns hold numbers in every table, and of which type (int64 or float64)."""
    import pyarrow as pa

    types = {}
    for name in {name for table in tables for name in table.column_names}:
        kinds = {_number_type(table[name]) for table in tables if name in table.column_names}
        if None not in kinds and kinds != {pa.null()}:
            types[name] = pa.float64() if pa.float64() in kinds else pa.int64()
    return types


def _number_type(column: "pa.ChunkedArray") -> "pa.DataType | None":
    """int64 or float64 where every value is such a number; null() where nothing is; None for text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = column.filter(pc.not_equal(column, ""))
    if not len(filled):
        return pa.null()
    if not pc.all(pc.match_substring_regex(filled, NUMBER)).as_py():
        return None
    return pa.float64() if pc.any(pc.match_substring_regex(filled, "[.eE]")).as_py() else pa.int64()


def with_numbers(table: "pa.Table", types: "Mapping[str, pa.DataType]") -> "pa.Table":
    """``table`` with the columns named in ``types`` as numbers; an empty field is None there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for position, name in enumerate(table.column_names):
        if name in types:
            column = table[name]
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(position, name, pc.cast(filled, types[name]))
    return table
