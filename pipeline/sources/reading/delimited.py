"""csv and tsv to tables of text. What of it is a number is decided elsewhere, over all files together."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from pipeline.data.bad_rows import BadRow, BadRows
from pipeline.data.origins import ORIGIN
from pipeline.errors import BadInput, Problem, listing
from pipeline.sources.reading.batching import batches
from pipeline.sources.reading.decoding import HINT, add_undecoded, is_decoded

if TYPE_CHECKING:
    import pyarrow as pa

# Characters of a field: a quote that is never closed must not take the rest of a large file into memory.
LONGEST = 2**26

# What else is often between fields, and how to say so; in quotes for bash and for Hydra.
OTHERS = {";": "\"data.delimiter=';'\"", "\t": "data.format=tsv"}
COMMA = "\"data.delimiter=','\""
QUOTES = "a field in quotes wholly, those inside doubled; or data.quote=null: quotes are plain text"


def read_delimited(
    lines: IO[str],
    name: str,
    delimiter: str,
    quote: str | None,
    encoding: str,
    bad: BadRows,
    sure: bool = True,
) -> "Iterator[pa.Table]":
    """Tables of text columns. ``quote`` None: quotes are text. ``name`` is the file's.

    sure: whether somebody chose the delimiter; if not, a header that another one divides is refused.

    A line without anything is no row, as in pandas; quoted fields may span lines, and a row's line is its first.
    Bad are rows with another number of fields than the header, with a quote that does not end (what follows its
    line is read again), and with bytes that are not of the encoding.
    """
    import pyarrow as pa

    csv.field_size_limit(LONGEST)  # The default refuses an article of more than 128 KiB.
    options: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    source = _Lines(lines)
    records = _records(source, {"delimiter": delimiter, "strict": True, **options})
    header = _header(records, source, name, encoding, delimiter, sure)

    def well_formed() -> Iterator[tuple[int, list[str]]]:
        for line, row in records:
            raw = "".join(source.record)
            if isinstance(row, csv.Error):
                bad.add(BadRow(name, line, None, f"is not csv: {row}", source.record[0].rstrip()), QUOTES)
            elif not is_decoded(raw):
                column = next((at for at, cell in enumerate(row) if not is_decoded(cell)), 0)
                of = header[column] if column < len(header) else None
                add_undecoded(bad, name, line, raw.rstrip("\r\n"), encoding, of)
            elif len(row) != len(header):
                what = (
                    f"{len(row)} fields where the header has {len(header)} ({listing(header)}): "
                    + repr(delimiter.join(row))[:80]
                )
                allowed = (
                    f"data.delimiter (now {delimiter!r}) and data.quote (now {quote!r}) say how fields end"
                )
                bad.add(BadRow(name, line, None, what, raw.rstrip("\r\n")), allowed)
            else:
                yield line, row

    for chunk in batches(well_formed(), lambda row: sum(map(len, row[1]))):
        cells = zip(*(row for _, row in chunk), strict=True)
        columns = {column: pa.array(each, pa.string()) for column, each in zip(header, cells, strict=True)}
        columns[ORIGIN] = pa.array([f"{name}:{line}" for line, _ in chunk], pa.string())
        yield pa.table(columns)


class _Lines:
    """Lines of a file, those of the last record held so that they can be read again."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines, self._again = iter(lines), deque[str]()
        self.number, self.record = 0, list[str]()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.record.append(line)
        return line

    def give_back(self) -> None:
        """All lines of the record but its first."""
        later = self.record[1:]
        self._again.extendleft(reversed(later))
        self.number -= len(later)


def _records(lines: _Lines, options: dict[str, Any]) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """The number of a record's first line, and its fields or why it has none."""
    rows = csv.reader(lines, **options)
    while True:
        lines.record = []
        first = lines.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, error
            lines.give_back()
            rows = csv.reader(lines, **options)
            continue
        if row:
            yield first, row


def _header(
    records: Iterator[tuple[int, list[str] | csv.Error]],
    lines: _Lines,
    name: str,
    encoding: str,
    delimiter: str,
    sure: bool,
) -> list[str]:
    """Names of the columns. Raises BadInput where they are none."""
    line, first = next(records, (1, []))
    where = f"{name}:{line}"
    if isinstance(first, csv.Error):
        raise BadInput(Problem(where, f"is not csv: {first}", QUOTES))
    if not is_decoded("".join(lines.record)):
        raise BadInput(Problem(where, f"is not {encoding}", HINT))
    header = [column or f"Unnamed: {position}" for position, column in enumerate(first)]
    if len(header) == 1 and delimiter == "," and not sure:
        _check_delimiter(header[0], where)
    if len(set(header)) < len(header):
        twice = listing(sorted({column for column in header if header.count(column) > 1}))
        raise BadInput(Problem(where=where, what=f"two columns have the same name: {twice}"))
    return header


def _check_delimiter(header: str, where: str) -> None:
    """Raises BadInput for the header of a csv that is one column only because commas are no delimiters in it."""
    for other, said in OTHERS.items():
        if other in header:
            what = f"{header!r} is one column, as the delimiter is a comma"
            raise BadInput(Problem(where, what, f"{said}; if it is one column, {COMMA}"))
