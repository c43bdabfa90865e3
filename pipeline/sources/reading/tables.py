"""Data files to tables as they are read, with errors that name the file and the line."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pipeline.data.bad_rows import BadRows
from pipeline.errors import BadInput, Problem, nearest
from pipeline.sources.reading.columnar import read_arrow, read_parquet
from pipeline.sources.reading.conll import read_conll, read_conllu
from pipeline.sources.reading.decoding import HINT, open_text
from pipeline.sources.reading.delimited import read_delimited
from pipeline.sources.reading.json_rows import read_json, read_jsonl
from pipeline.sources.reading.locating import Located
from pipeline.sources.reading.squad import read_squad
from pipeline.sources.reading.txt import TxtRows, read_txt

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = {
    "csv": ("csv",),
    "tsv": ("tsv", "tab"),
    "jsonl": ("jsonl", "ndjson"),
    "json": ("json",),
    "parquet": ("parquet", "pq"),
    "arrow": ("arrow", "feather", "ipc"),
    "txt": ("txt", "text"),
    "squad": (),
    "conll": ("conll", "iob", "iob2", "bio"),
    "conllu": ("conllu",),
}
COMPRESSED = ("gz", "bz2", "xz", "zip", "zst")
# What other programs' files begin with: what they are, and what to do.
MAGIC = {
    b"PAR1": ("a parquet file", "data.format=parquet"),
    b"ARROW1": ("an arrow file", "data.format=arrow"),
    b"PK\x03\x04": ("a zip archive, as Excel's files are", "a csv that is saved from it"),
    b"\x1f\x8b": ("compressed with gzip", "a name that ends in .gz"),
}


@dataclass(frozen=True)
class Reading:
    """How files are read. ``delimiter`` None: comma in csv, tab in tsv; ``quote`` None: quotes are text."""

    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str | None = '"'
    txt_rows: TxtRows = "lines"
    # Columns whose values in JSON have to be of one type. Others are text where they differ.
    one_type: frozenset[str] = frozenset()

    def format_of(self, file: Located) -> str:
        """The format given, else the one that the file's name ends in."""
        if self.format:
            return self.format
        suffixes = file.name.lower().split(".")[1:]
        if suffixes and suffixes[-1] in COMPRESSED:
            suffixes.pop()
        for name, endings in FORMATS.items():
            if suffixes and suffixes[-1] in endings:
                return name
        ending = suffixes[-1] if suffixes else ""
        raise BadInput(
            Problem(
                where=file.name,
                what=f"the format of {file.name} cannot be told from its name",
                allowed="data.format=" + "|".join(FORMATS),
                nearest=nearest(ending, FORMATS),
            )
        )


def chunks(file: Located, reading: Reading, bad: BadRows | None = None) -> "Iterator[pa.Table]":
    """The rows of one file as they are read, a few thousand at a time; each says in the column ORIGIN where it is.

    Columns of csv and tsv are text (see NumberColumns and with_numbers), and of JSON rows they are those that have been
    seen so far, of the types seen so far. Only the rows of a chunk are ever held, but for JSON that is one object,
    and txt files that are one row.

    bad: collects the rows that cannot be read. None: they raise BadInput before the rows after them are given.
    Raises BadInput for a file that cannot be read as a whole, or has no rows.
    """
    collecting, count = bad or BadRows(), 0
    for table in _tables(file, reading, collecting):
        if bad is None:
            collecting.raise_any()
        count += table.num_rows
        yield table
    collecting.end_of(file.name, count)
    if bad is None:
        collecting.raise_any()
    if not count and not collecting.counts[file.name]:
        raise BadInput(Problem(where=file.name, what="there are no rows in it"))


def _tables(file: Located, reading: Reading, bad: BadRows) -> "Iterator[pa.Table]":
    import pyarrow as pa

    format = reading.format_of(file)
    try:
        if format == "parquet":
            yield from read_parquet(file)
        elif format == "arrow":
            yield from read_arrow(file)
        else:
            _check_is_text(file)
            with open_text(file, reading.encoding) as lines:
                yield from _read_text(lines, file.name, format, reading, bad)
    except UnicodeDecodeError as error:
        raise BadInput(Problem(file.name, f"is not {reading.encoding}: {error}", HINT)) from error
    except pa.ArrowException as error:
        raise BadInput(
            Problem(where=file.name, what=f"its columns are of different types: {error}")
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise BadInput(Problem(where=file.name, what=f"cannot be read: {error}")) from error


def _read_text(
    lines: IO[str], name: str, format: str, reading: Reading, bad: BadRows
) -> "Iterator[pa.Table]":
    encoding = reading.encoding
    if format == "jsonl":
        return read_jsonl(lines, name, encoding, bad, reading.one_type)
    if format == "json":
        return read_json(lines, name, encoding, bad, reading.one_type)
    if format == "squad":
        return read_squad(lines, name, encoding)
    if format == "conll":
        return read_conll(lines, name, reading.delimiter, encoding, bad)
    if format == "conllu":
        return read_conllu(lines, name, encoding, bad)
    if format == "txt":
        return read_txt(lines, name, reading.txt_rows, encoding, bad)
    delimiter = reading.delimiter or ("\t" if format == "tsv" else ",")
    sure = reading.delimiter is not None
    return read_delimited(lines, name, delimiter, reading.quote, encoding, bad, sure=sure)


def _check_is_text(file: Located) -> None:
    """Raises BadInput for a file that is none, whatever its name says: better than its first odd byte."""
    with file.open() as stream:
        start = stream.read(8)
    control = any(byte < 9 or 13 < byte < 32 for byte in start)
    for magic, (kind, hint) in MAGIC.items():
        if start.startswith(magic) and control:
            raise BadInput(Problem(where=file.name, what=f"is {kind}", allowed=hint))
