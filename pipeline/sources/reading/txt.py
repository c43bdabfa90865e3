"""Plain text to tables with the one column ``text``."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import IO, TYPE_CHECKING, Literal

from pipeline.data.bad_rows import BadRows
from pipeline.data.origins import ORIGIN
from pipeline.sources.reading.batching import batches
from pipeline.sources.reading.decoding import add_undecoded, is_decoded

if TYPE_CHECKING:
    import pyarrow as pa

# What a row is: a line, lines up to a blank one, or all of a file.
TxtRows = Literal["lines", "paragraphs", "file"]
# A line, and the number of the first one.
Numbered = tuple[int, str]


def read_txt(lines: IO[str], name: str, rows: TxtRows, encoding: str, bad: BadRows) -> "Iterator[pa.Table]":
    """Line ends are those of Unix, whatever the file has; at a row's end there is none."""
    import pyarrow as pa

    stripped = ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, start=1))
    texts = {"lines": _lines, "paragraphs": _paragraphs, "file": _file}[rows](stripped)

    def decoded() -> Iterator[Numbered]:
        for number, text in texts:
            if is_decoded(text):
                yield number, text
            else:
                add_undecoded(bad, name, number, text, encoding)

    for chunk in batches(decoded(), lambda row: len(row[1])):
        texts_of, places = [text for _, text in chunk], [f"{name}:{number}" for number, _ in chunk]
        yield pa.table({"text": pa.array(texts_of, pa.string()), ORIGIN: pa.array(places, pa.string())})


def _lines(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    return iter(lines)


def _paragraphs(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    for blank, group in groupby(lines, lambda line: not line[1].strip()):
        if not blank:
            together = list(group)
            yield together[0][0], "\n".join(text for _, text in together)


def _file(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    if text := "\n".join(text for _, text in lines):
        yield 1, text
