"""Rows named such that a person finds them: by file and line where these are known, else by split and number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.data.origins import origin_of
from pipeline.errors import Numbers

if TYPE_CHECKING:
    from datasets import Dataset

# How many rows are named with their text, and the characters of it.
MOST, START = 3, 40

# A split, and rows of it counted from 1.
Places = Mapping[str, Numbers]


def places_text(places: Places, data: Mapping[str, Dataset], column: str = "text") -> str:
    """``reviews.csv:95 ('Der Zug kam …'), row 3 of test ('Am Ende …'), … (40 rows in all)``.

    column: what is quoted of each row.
    """
    named = [_named(split, row, data, column) for split, row in islice(each(places), MOST)]
    count = sum(map(len, places.values()))
    more = [f"… ({count:,} rows in all)"] if count > MOST else []
    return ", ".join(named + more)


def have_origins(places: Places, data: Mapping[str, Dataset]) -> bool:
    """Whether all rows that :func:`places_text` names are named by their files."""
    return all(origin_of(data[split], row - 1) for split, row in islice(each(places), MOST))


def each(places: Places) -> Iterator[tuple[str, int]]:
    return ((split, int(row)) for split, numbers in places.items() for row in numbers)


def _named(split: str, row: int, data: Mapping[str, Dataset], column: str) -> str:
    place = origin_of(data[split], row - 1) or f"row {row} of {split}"
    return place + _quoted(data[split], row, column)


def _quoted(rows: Dataset, row: int, column: str) -> str:
    """The start of a row's text as it can be searched for, in one line."""
    cell: Any = rows[row - 1][column] if column in rows.column_names else None
    cell = " ".join(map(str, cell)) if isinstance(cell, list) else cell
    lines = str(cell).strip().splitlines() if cell is not None else []
    if not lines:
        return ""
    cut = lines[0][:START].rstrip()
    return f" ('{cut} …')" if cut != str(cell).strip() else f" ('{cut}')"
