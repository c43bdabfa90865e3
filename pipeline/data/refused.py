"""Rows that a task refuses when it encodes them: found one by one in a batch, told together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.data.places import places_text
from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from datasets import DatasetDict

# So many are not looked for any further where they are most of the rows so far.
ENOUGH = 10_000


class Refused(NamedTuple):
    """row: in its split, from 1."""

    split: str
    row: int
    problem: Problem


def refused_rows(
    bad: BadInput,
    batch: Mapping[str, list[Any]],
    encode: Callable[[Mapping[str, list[Any]]], object],
    split: str,
    start: int,
) -> list[Refused]:
    """The rows of a batch that a task refuses each by itself. Raises ``bad`` where it refuses none of them so, and what
    all of them are refused for where that is an option of the task: it would be so with any rows.

    encode: a batch, which it may refuse. start: the batch's first row in its split, from 0.
    """
    found, count = [], len(next(iter(batch.values())))
    for place in range(count):
        try:
            encode({name: cells[place : place + 1] for name, cells in batch.items()})
        except BadInput as one:
            found += [Refused(split, start + place + 1, problem) for problem in one.problems]
    if not found:
        raise bad
    kinds = {refused.problem for refused in found}
    if len(found) == count > 1 == len(kinds) and found[0].problem.where.startswith("task."):
        raise BadInput(found[0].problem)
    return found


def told(refused: list[Refused], data: DatasetDict, quoted: str) -> list[Problem]:
    """One problem for each kind of fault, with its rows. quoted: the column by whose text they are found."""
    kinds: dict[Problem, dict[str, list[int]]] = {}
    for split, row, problem in refused:
        kinds.setdefault(problem, {}).setdefault(split, []).append(row)
    return [
        Problem(
            problem.where,
            f"{problem.what}: {places_text(places, data, quoted)}",
            problem.allowed,
            problem.nearest,
            rows=places,
            fault=problem.what,
        )
        for problem, places in kinds.items()
    ]
