"""Cells of data that a task cannot read: collected by what is wrong with them, told with the rows where they are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import Dataset


class FaultError(ValueError):
    """A cell that cannot be read; the message says why. ``kind``: what cells with the same fault share."""

    def __init__(self, message: str, allowed: str, kind: str = "") -> None:
        super().__init__(message)
        self.allowed, self.kind = allowed, kind or message


class Faults:
    """One problem for each kind of fault in each column, wherever its rows are."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], FaultError] = {}
        self._places: dict[tuple[str, str], dict[str, list[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, role: str, fault: FaultError, split: str, row: int) -> None:
        """row: counted from 1."""
        key = role, fault.kind
        self._first.setdefault(key, fault)
        self._places.setdefault(key, {}).setdefault(split, []).append(row)

    def problems(self, data: "Mapping[str, Dataset]", quoted: str = "text") -> list[Problem]:
        """quoted: the column by whose text a person finds the rows."""
        return [
            row_problem(
                f"data.columns.{role}",
                str(fault),
                self._places[role, kind],
                data,
                fault.allowed,
                quoted=quoted,
            )
            for (role, kind), fault in self._first.items()
        ]


class FaultsOfBatch:
    """The same of a batch, whose rows `pipeline.data.refused` finds."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}

    def add(self, role: str, fault: FaultError) -> None:
        problem = Problem(f"data.columns.{role}", str(fault), fault.allowed)
        self._problems.setdefault((role, fault.kind), problem)

    def raise_any(self) -> None:
        """Raises BadInput where there are faults."""
        if self._problems:
            raise BadInput(list(self._problems.values()))
