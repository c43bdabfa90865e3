"""Plain text to tables with the one column ``text``."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

# What a row is: a line, lines up to a blank one, or all of a file.
TxtRows = Literal["lines", "paragraphs", "file"]
# Rows that are Python objects at one time.
CHUNK = 20_000


def read_txt(lines: IO[str], rows: TxtRows) -> "Iterator[pa.Table]":
    """Line ends are those of Unix, whatever the file has; at a row's end there is none."""
    import pyarrow as pa

    stripped = (line.rstrip("\r\n") for line in lines)
    texts = {"lines": _lines, "paragraphs": _paragraphs, "file": _file}[rows](stripped)
    while chunk := list(islice(texts, CHUNK)):
        yield pa.table({"text": pa.array(chunk, pa.string())})


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return iter(lines)


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    return ("\n".join(group) for blank, group in groupby(lines, lambda line: not line.strip()) if not blank)


def _file(lines: Iterable[str]) -> Iterator[str]:
    if text := "\n".join(lines):
        yield text
