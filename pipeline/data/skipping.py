"""Preparing data without the rows that cannot be read or that the task refuses, where that is asked for."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from pipeline.data.bad_rows import BadRow
from pipeline.data.columns import skipped_rows
from pipeline.data.joining import Joined
from pipeline.data.origins import origin_of, visible
from pipeline.errors import BadInput, Problem
from pipeline.runs.freezing import SKIPPED

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.sources.base import Source
    from pipeline.tasks.base import Task

T = TypeVar("T")

# Kinds of fault that are named where there are many, and faults that are told before the others are only counted.
MOST_KINDS, MOST = 5, 8


class Skipping:
    """Does steps of preparing again without the rows that they refuse. With ``on_bad_rows=stop`` it only does them.

    target: the list of the rows that were left out, written as they are.
    """

    def __init__(self, task: Task, source: Source, target: Path) -> None:
        self.asked, self.target = source.on_bad_rows == "skip", target
        self.kinds: Counter[str] = Counter()
        self._before: dict[str, int] = {}
        self._left: Counter[str] = Counter()
        self._listed: set[str] = set()
        if self.asked:
            self._list(skipped_rows(task, source))

    def _list(self, skipped: Iterable[BadRow]) -> None:
        """Rows that the source left out by itself."""
        with self.target.open("w", encoding="utf-8") as lines:
            for row in skipped:
                self._write(row, lines)

    def _write(self, row: BadRow, lines: IO[str]) -> None:
        lines.write(row.json_line())
        self.kinds[_kind(row.what)] += 1

    def first(self, step: Callable[[DatasetDict], Any], data: DatasetDict) -> DatasetDict:
        """``data`` of one source without the rows that a step refuses; what else it complains of is not yet asked."""
        left: Counter[str] = Counter()
        while self.asked:
            try:
                step(data)
            except BadInput as bad:
                if any(self._rows(bad.problems, data).values()):
                    data = self._without(bad.problems, data, left)
                    continue
            break
        self._left += left
        return data

    def again(self, step: Callable[[Joined], T], found: Joined) -> T:
        """What a step gives, without the rows that it refuses. Raises BadInput for everything else, and where more
        than half of a split would be left out: then it is not the rows."""
        while True:
            try:
                return step(found)
            except BadInput as bad:
                refused = self._rows(bad.problems, found.data)
                if not self.asked or not any(refused.values()):
                    raise BadInput(_shown(bad.problems)) from bad
                data = self._without(bad.problems, found.data, self._left)
                found = Joined(data, _smaller(found.sizes, refused))

    def facts(self) -> dict[str, int]:
        """How many rows were skipped, by what is wrong with them."""
        return dict(self.kinds.most_common())

    def _rows(self, problems: Sequence[Problem], data: DatasetDict) -> dict[str, dict[int, Problem]]:
        """Of each split the rows, from 0, with the first problem of each."""
        found: dict[str, dict[int, Problem]] = {}
        for problem in problems:
            for split, rows in problem.rows.items():
                if split in data:
                    of_split = found.setdefault(split, {})
                    for row in rows:
                        of_split.setdefault(int(row) - 1, problem)
        return found

    def _without(self, problems: Sequence[Problem], data: DatasetDict, left: Counter[str]) -> DatasetDict:
        """``data`` without the rows of ``problems``. left: rows of each split that are left out, with those before.
        Raises BadInput where they are more than half of it."""
        from datasets import DatasetDict

        kept = dict(data)
        for split, rows in self._rows(problems, data).items():
            left[split] += len(rows)
            total = len(data[split]) - len(rows) + left[split]
            if 2 * left[split] > total:
                what = f"{left[split]:,} of {total:,} rows of {split} cannot be used: more than half, so "
                raise BadInput([Problem("data", f"{what}something else is wrong"), *_shown(problems)])
            keep = np.ones(len(data[split]), dtype=bool)
            keep[list(rows)] = False
            with self.target.open("a", encoding="utf-8") as lines:
                for row in sorted(rows):
                    self._note(data[split], row, rows[row], lines)
            kept[split] = data[split].select(np.flatnonzero(keep).astype(np.int32))
        return DatasetDict(kept)

    def _note(self, rows: Dataset, row: int, problem: Problem, lines: IO[str]) -> None:
        origin = origin_of(rows, row)
        if origin in self._listed:  # of an overfitted run, in which all splits are one
            return
        if origin:
            self._listed.add(origin)
        file, _, line = origin.rpartition(":")
        has_line = bool(file) and line.isdigit()
        cells = {name: cell for name, cell in rows[row].items() if name in visible(rows.column_names)}
        column = problem.where.removeprefix("data.columns.")
        raw = json.dumps(cells, ensure_ascii=False, default=str)
        of = column if column != problem.where else None
        bad = BadRow(
            file if has_line else origin or None,
            int(line) if has_line else None,
            of,
            problem.fault or problem.what,
            raw,
        )
        self._write(bad, lines)


def skipped_text(kinds: dict[str, int]) -> str:
    """``3 rows skipped: no label (2), is not JSON (1)``; empty where none is."""
    if not kinds:
        return ""
    count = sum(kinds.values())
    named = [f"{kind} ({number:,})" for kind, number in list(kinds.items())[:MOST_KINDS]]
    if others := count - sum(list(kinds.values())[:MOST_KINDS]):
        named.append(f"others ({others:,})")
    return f"{count:,} row{'s' * (count > 1)} skipped: {', '.join(named)}"


def warn_of_skipped(kinds: dict[str, int], folder: str) -> None:
    """A line on stderr where rows were skipped, with the list of them in the prepared folder."""
    if kinds:
        print(f"warning: {skipped_text(kinds)}; listed in {Path(folder) / SKIPPED}", file=sys.stderr)


def _smaller(
    sizes: Mapping[str, Mapping[str, int]], left: Mapping[str, Iterable[int]]
) -> dict[str, dict[str, int]]:
    """Rows of each source in each split without those that were left out."""
    fewer: dict[str, dict[str, int]] = {}
    for split, parts in sizes.items():
        ends = np.cumsum(list(parts.values()))
        lost = np.bincount(
            np.searchsorted(ends, list(left.get(split, ())), side="right"), minlength=len(parts)
        )
        fewer[split] = {
            name: size - int(gone) for (name, size), gone in zip(parts.items(), lost, strict=True)
        }
    return fewer


def _kind(what: str) -> str:
    """What rows with the same fault share of what is said of them."""
    return re.split(r"[:;]| \(", what)[0][:60]


def _shown(problems: Sequence[Problem]) -> list[Problem]:
    """The first faults of rows; the others are only counted."""
    faults = [problem for problem in problems if problem.rows]
    if len(faults) <= MOST:
        return list(problems)
    hidden = set(map(id, faults[MOST:]))
    shown = [problem for problem in problems if id(problem) not in hidden]
    return [*shown, Problem("data", f"… and {len(hidden):,} more faults of rows like these")]
