"""Data files to tables, with errors that name the file and the line."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.sources.reading.conll import read_conll, read_conllu
from pipeline.sources.reading.delimited import number_types, read_delimited, with_numbers
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


def read(splits: Mapping[str, Sequence[Located]], reading: Reading) -> "dict[str, pa.Table]":
    """One table a split. Raises BadInput with the problems of all files together."""
    import pyarrow as pa

    problems: list[Problem] = []
    # Beside each table whether its columns are all text, as those of csv and tsv are.
    parts: dict[str, list[tuple[pa.Table, bool]]] = {split: [] for split in splits}
    for split, files in splits.items():
        for file in files:
            try:
                format = reading.format_of(file)
                parts[split].append((_table(file, format, reading), format in ("csv", "tsv")))
            except BadInput as bad:
                problems += bad.problems
    if problems:
        raise BadInput(problems)
    numbers = number_types([table for each in parts.values() for table, is_text in each if is_text])
    tables = {}
    for split, files in splits.items():
        typed = [with_numbers(table, numbers) if is_text else table for table, is_text in parts[split]]
        try:
            tables[split] = pa.concat_tables(typed, promote_options="permissive")
        except pa.ArrowException as error:
            where = listing(file.name for file in files)
            problems.append(
                Problem(where=where, what=f"these files have columns of different types: {error}")
            )
    if problems:
        raise BadInput(problems)
    return tables


def _table(file: Located, format: str, reading: Reading) -> "pa.Table":
    import pyarrow as pa

    try:
        if format in ("parquet", "arrow"):
            with file.open() as stream:
                table = _parquet(stream, file) if format == "parquet" else _arrow(stream, file)
        else:
            try:
                with _text(file, reading) as lines:
                    tables = list(_read_text(lines, file.name, format, reading))
            except (UnicodeDecodeError, BadInput):
                _check_is_text(file)
                raise
            table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    except UnicodeDecodeError as error:
        raise BadInput(_not_in_encoding(file, reading, error)) from error
    except pa.ArrowException as error:
        raise BadInput(
            Problem(where=file.name, what=f"its columns are of different types: {error}")
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise BadInput(Problem(where=file.name, what=f"cannot be read: {error}")) from error
    if not table.num_rows:
        raise BadInput(Problem(where=file.name, what="there are no rows in it"))
    return table


def _read_text(lines: IO[str], name: str, format: str, reading: Reading) -> "Iterator[pa.Table]":
    if format == "jsonl":
        return read_jsonl(lines, name)
    if format == "json":
        return read_json(lines, name)
    if format == "squad":
        return read_squad(lines, name)
    if format == "conll":
        return read_conll(lines, name, reading.delimiter)
    if format == "conllu":
        return read_conllu(lines, name)
    if format == "txt":
        return read_txt(lines, reading.txt_rows)
    delimiter = reading.delimiter or ("\t" if format == "tsv" else ",")
    return read_delimited(lines, name, delimiter, reading.quote, sure=reading.delimiter is not None)


def _text(file: Located, reading: Reading) -> IO[str]:
    # A byte order mark is no part of the text, and line ends inside of quotes are.
    encoding = "utf-8-sig" if reading.encoding.lower().replace("-", "") == "utf8" else reading.encoding
    try:
        return io.TextIOWrapper(file.open(), encoding=encoding, newline="")
    except LookupError:
        raise BadInput(
            Problem(
                where="data.encoding",
                what=f"{reading.encoding!r} is no encoding",
                allowed="utf-8, latin-1, …",
            )
        ) from None


def _check_is_text(file: Located) -> None:
    """Raises BadInput for a file that is none, whatever its name says: better than its first odd byte."""
    with file.open() as stream:
        start = stream.read(8)
    for magic, (kind, hint) in MAGIC.items():
        if start.startswith(magic):
            raise BadInput(Problem(where=file.name, what=f"is {kind}", allowed=hint))


def _not_in_encoding(file: Located, reading: Reading, error: UnicodeDecodeError) -> Problem:
    """The line that is not in the encoding: a decoder counts from its own buffer's start."""
    hint = "data.encoding=latin-1 or the encoding that the file was written in"
    with file.open() as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return Problem(where=file.name, what=f"is not {reading.encoding}", allowed="data.encoding=utf-16")
    with file.open() as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode(reading.encoding)
            except UnicodeDecodeError as here:
                before = line[max(0, here.start - 20) : here.start]
                what = f"is not {reading.encoding}: byte 0x{line[here.start]:02x} after {before!r}"
                return Problem(where=f"{file.name}:{number}", what=what, allowed=hint)
    return Problem(where=file.name, what=f"is not {reading.encoding}: {error}", allowed=hint)


def _parquet(stream: IO[bytes], file: Located) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(stream)
    except pa.ArrowException as error:
        raise BadInput(Problem(where=file.name, what=f"is not a parquet file: {error}")) from error


def _arrow(stream: IO[bytes], file: Located) -> "pa.Table":
    """Arrow's file format, or its streaming format (what ``datasets`` writes)."""
    import pyarrow as pa

    content = pa.py_buffer(stream.read())
    try:
        if content[:6].to_pybytes() == b"ARROW1":
            return pa.ipc.open_file(content).read_all()
        return pa.ipc.open_stream(content).read_all()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(Problem(where=file.name, what=f"is not an arrow file: {error}")) from error
