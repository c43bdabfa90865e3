"""Rows of splits, named such that a person finds them: a split may be shuffled, so its numbers are not the file's."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

# How many rows are named with their text, and the characters of it.
MOST, START = 3, 40

# A split, and rows of it counted from 1.
Places = Mapping[str, Sequence[int]]


def places_text(places: Places, data: "Mapping[str, Dataset]", column: str = "text") -> str:
    """``row 95 of train ('Der Zug kam …'), row 3 of test ('Am Ende …'), … (40 rows in all)``.

    column: what is quoted of each row.
    """
    rows = [(split, row) for split, numbers in places.items() for row in numbers]
    named = [f"row {row} of {split}{_quoted(data[split], row, column)}" for split, row in rows[:MOST]]
    more = [f"… ({len(rows)} rows in all)"] if len(rows) > MOST else []
    return ", ".join(named + more)


def _quoted(rows: "Dataset", row: int, column: str) -> str:
    """The start of a row's text as it can be searched for, in one line."""
    cell: Any = rows[row - 1][column] if column in rows.column_names else None
    cell = " ".join(map(str, cell)) if isinstance(cell, list) else cell
    lines = str(cell).strip().splitlines() if cell is not None else []
    if not lines:
        return ""
    cut = lines[0][:START].rstrip()
    return f" ('{cut} …')" if cut != str(cell).strip() else f" ('{cut}')"
