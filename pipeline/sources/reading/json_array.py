"""The elements of a JSON array one by one, without holding all of them."""

import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from pipeline.errors import BadInput, Problem

# Characters that are read at one time.
PIECE = 1_000_000
_SPACE = " \t\r\n"


class Element(NamedTuple):
    """line: where it begins, from 1."""

    line: int
    value: Any
    raw: str


def elements(lines: IO[str], name: str) -> Iterator[Element]:
    """lines: a text whose first sign that is no white space is ``[``. name: the file's.

    Raises BadInput with the line of what is not JSON: what follows it cannot be told apart any more.
    """
    text = _Text(lines, name)
    text.skip("[")
    if text.peek() == "]":
        text.end()
        return
    while True:
        yield text.element()
        if text.peek() == "]":
            text.end()
            return
        text.skip(",")


class _Text:
    """The part of a text that is looked at: what is before ``at`` has been read."""

    def __init__(self, lines: IO[str], name: str) -> None:
        self.lines, self.name = lines, name
        self.buffer, self.at, self.line, self.column = "", 0, 1, 1
        self.decode = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        """Read on, twice as much as is held: an element that is longer is not tried too often."""
        piece = self.lines.read(max(PIECE, 2 * (len(self.buffer) - self.at)))
        self.buffer, self.at = self.buffer[self.at :] + piece, 0
        return bool(piece)

    def advance(self, to: int) -> None:
        passed = self.buffer[self.at : to]
        self.line += passed.count("\n")
        last = passed.rfind("\n")
        self.column = len(passed) - last if last >= 0 else self.column + len(passed)
        self.at = to

    def peek(self) -> str:
        """The next sign that is no white space; empty at the end."""
        while True:
            to = self.at
            while to < len(self.buffer) and self.buffer[to] in _SPACE:
                to += 1
            self.advance(to)
            if to < len(self.buffer):
                return self.buffer[to]
            if not self.more():
                return ""

    def skip(self, sign: str) -> None:
        if self.peek() != sign:
            raise self.problem(f"Expecting {sign!r} delimiter")
        self.advance(self.at + 1)

    def element(self) -> Element:
        self.peek()
        while True:
            try:
                value, end = self.decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                wrong = error.pos - self.at
                if self.more():
                    continue
                self.advance(self.at + wrong)
                raise self.problem(error.msg) from error
            except (
                ValueError,
                RecursionError,
            ) as error:  # Python's limits: digits of a number, depth of objects
                raise self.problem(str(error)) from error
            # A number may go on behind what is held.
            if end == len(self.buffer) and self.more():
                continue
            found = Element(self.line, value, self.buffer[self.at : end])
            self.advance(end)
            return found

    def end(self) -> None:
        self.advance(self.at + 1)
        if self.peek():
            raise self.problem("Extra data")

    def problem(self, what: str) -> BadInput:
        return BadInput(Problem(f"{self.name}:{self.line}", f"is not JSON: {what} at column {self.column}"))
