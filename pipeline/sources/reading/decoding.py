"""Files to lines of text, in which bytes that are not of the encoding can be found by their row."""

import codecs
import io
import re
from typing import IO

from pipeline.data.bad_rows import BadRow, BadRows
from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.locating import Located

# What Python reads in place of a byte that the encoding does not have (PEP 383).
_STRANGE = re.compile("[\udc80-\udcff]")
HINT = "data.encoding=latin-1 or the encoding that the file was written in"


def open_text(file: Located, encoding: str) -> IO[str]:
    """Lines with their line ends, which may be parts of texts. Raises BadInput for an encoding that is none."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise BadInput(
            Problem("data.encoding", f"{encoding!r} is no encoding", "utf-8, latin-1, …")
        ) from None
    # A byte order mark is no part of the text. Codes of two bytes or more cannot go on after a wrong one.
    strict = name.startswith(("utf-16", "utf-32", "utf-7"))
    if name == "utf-8":
        name = "utf-8-sig"
        _check_mark(file, encoding)
    errors = "strict" if strict else "surrogateescape"
    return io.TextIOWrapper(file.open(), encoding=name, errors=errors, newline="")


def _check_mark(file: Located, encoding: str) -> None:
    with file.open() as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise BadInput(Problem(file.name, f"is not {encoding}", "data.encoding=utf-16"))


def is_decoded(text: str) -> bool:
    """Whether all bytes of a text were of the encoding."""
    return text.isascii() or not _STRANGE.search(text)


def add_undecoded(
    bad: BadRows, name: str, line: int, text: str, encoding: str, column: str | None = None
) -> None:
    """Tell of a row in which :func:`is_decoded` does not hold."""
    found = _STRANGE.search(text)
    assert found is not None
    before = text[max(0, found.start() - 20) : found.start()]
    what = f"is not {encoding}: byte 0x{ord(found[0]) - 0xDC00:02x} after {before!r}"
    bad.add(BadRow(name, line, column, what, text), HINT)
