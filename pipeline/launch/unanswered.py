"""Rows that a model is asked about and cannot read: told with their number, while the others are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.data.refused import refused_rows
from pipeline.errors import BadInput, Problem

Batch = Mapping[str, list[Any]]
# So many are told one by one.
_MOST = 5


def readable(
    batch: Batch, faults: dict[int, Problem], count: int, encode: Callable[[Batch], dict[str, list[Any]]]
) -> tuple[list[int], dict[str, list[Any]]]:
    """The places of rows that can be read, from 0, and what ``encode`` makes of these; the others join ``faults``.

    faults: of rows that are known to be of no use. count: of all rows.
    Raises BadInput where what is wrong is not with single rows.
    """

    def encoded(places: list[int]) -> dict[str, list[Any]]:
        return encode(_at(batch, places)) if places else {}

    places = [place for place in range(count) if place not in faults]
    try:
        return places, encoded(places)
    except BadInput as bad:
        refused = refused_rows(bad, _at(batch, places), encode, "input", 0)
        if not all(one.problem.where.startswith("data.columns.") for one in refused):
            raise
        for one in refused:
            faults.setdefault(places[one.row - 1], one.problem)
    places = [place for place in places if place not in faults]
    return places, encoded(places)


def _at(batch: Batch, places: list[int]) -> dict[str, list[Any]]:
    return {name: [cells[place] for place in places] for name, cells in batch.items()}


class Unanswered:
    """What was wrong with rows of the input, as far as it has been read."""

    def __init__(self) -> None:
        self.count = 0
        self.problems: list[Problem] = []

    def add(self, faults: Mapping[int, Problem], done: int) -> None:
        """faults: by place, from 0. done: rows that came before."""
        self.count += len(faults)
        for place, problem in sorted(faults.items())[: _MOST - len(self.problems)]:
            self.problems.append(
                Problem(f"input row {done + place + 1}", what_is_wrong(problem), problem.allowed)
            )

    def refusal(self) -> BadInput:
        """That nothing can be answered."""
        more = self.count - len(self.problems)
        rest = [Problem("input", f"… and {more} more rows like these")] if more > 0 else []
        return BadInput([*self.problems, *rest])

    def told(self) -> str:
        """A warning; empty where every row was answered."""
        if not self.count:
            return ""
        each = [f"{problem.where}: {problem.what}" for problem in self.problems]
        more = [f"… and {self.count - len(each):,} more"] if self.count > len(each) else []
        head = f"warning: {self.count:,} rows have an error instead of a prediction:"
        return "\n  ".join([head, *each, *more])


def what_is_wrong(problem: Problem) -> str:
    """In one line, with the column."""
    return f"{problem.what} ({problem.where})" if problem.where.startswith("data.") else problem.what
