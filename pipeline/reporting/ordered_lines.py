"""Lines that come in any order, from several processes, written in the order of their numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType


class OrderedLines:
    """One process's lines, on disk rather than in memory; :func:`join` puts those of all processes in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")

    def add(self, number: int, line: str) -> None:
        """line: text without a line end."""
        self._file.write(b"%d\t%s\n" % (number, line.encode()))

    def __enter__(self) -> OrderedLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def join(parts: Iterable[Path], target: Path) -> None:
    """Every line of the parts in one file, by number; the parts are removed. The file appears whole."""
    parts = list(parts)
    places: list[tuple[int, int, int]] = []
    with ExitStack() as stack:
        files = [stack.enter_context(part.open("rb")) for part in parts]
        for which, file in enumerate(files):
            place = 0
            for line in file:
                places.append((int(line.partition(b"\t")[0]), which, place))
                place += len(line)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        with unfinished.open("wb") as out:
            for _, which, place in sorted(places):
                files[which].seek(place)
                out.write(files[which].readline().partition(b"\t")[2])
        unfinished.replace(target)
    for part in parts:
        part.unlink()
