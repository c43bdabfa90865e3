"""Rows that cannot be read or used: told together where they stop a run, listed in a file where they do not."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import IO

from pipeline.errors import BadInput, Problem

# Rows of one file that are told one by one, and so many that a file is not even counted to its end.
MOST, ENOUGH = 5, 10_000
# Characters of a row that are kept.
RAW = 10_000


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A row that is left out.

    file, line: where it begins; None where its source has neither. column: the one that is wrong, if it is one.
    what: is wrong. raw: the row as it stands there.
    """

    file: str | None
    line: int | None
    column: str | None
    what: str
    raw: str

    def json_line(self) -> str:
        cut = dataclasses.replace(self, raw=self.raw[:RAW])
        text = json.dumps(dataclasses.asdict(cut), ensure_ascii=False)
        # What could not be decoded has no place in a file of UTF-8 either.
        return text.encode("utf-8", "backslashreplace").decode() + "\n"


class BadRows:
    """Collects the rows of files that cannot be read.

    skip: the file to list them in; None: they are problems, and :meth:`problems` tells them.
    """

    def __init__(self, skip: IO[str] | None = None) -> None:
        self.skip = skip
        self.counts: Counter[str] = Counter()
        self._problems: dict[str, list[Problem]] = {}

    def add(self, row: BadRow, allowed: str = "") -> None:
        """allowed: what would be right. Raises BadInput where a file has more of them than is worth counting."""
        name = str(row.file)
        self.counts[name] += 1
        told = self._problems.setdefault(name, [])
        if len(told) < MOST:
            place = f"{name}:{row.line}" if row.line else name
            told.append(Problem(f"{place}:{row.column}" if row.column else place, row.what, allowed))
        if self.skip is not None:
            self.skip.write(row.json_line())
        elif self.counts[name] > ENOUGH:
            problems = self._of(name)
            del self.counts[name]
            raise BadInput(problems)

    def end_of(self, name: str, good: int) -> None:
        """Called with the number of rows that were read from a file. Raises BadInput where most are bad all the same
        as they are skipped: then it is not the rows."""
        bad = self.counts[name]
        if self.skip is not None and bad > good:
            what = (
                f"{bad:,} of {bad + good:,} rows cannot be read: more than half, so something else is wrong"
            )
            raise BadInput([Problem(name, what), *self._of(name)])

    def problems(self) -> list[Problem]:
        """Those that are not skipped."""
        if self.skip is not None:
            return []
        return [problem for name in self.counts for problem in self._of(name)]

    def raise_any(self) -> None:
        """Raises BadInput for bad rows that are not skipped."""
        if problems := self.problems():
            raise BadInput(problems)

    def _of(self, name: str) -> list[Problem]:
        told, more = self._problems.get(name, []), self.counts[name] - MOST
        number = f"more than {ENOUGH:,}" if self.counts[name] > ENOUGH else f"{more:,}"
        rest = f"… and {number} more bad row{'s' * (more > 1)} in this file"
        hint = "data.on_bad_rows=skip does without them and lists them"
        return [*told, Problem(name, rest, hint)] if more > 0 else told
