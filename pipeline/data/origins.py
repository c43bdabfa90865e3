"""Where each row of the data was read: a hidden column that names the file and the line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

# ``reviews.csv:95``. Rows of sources that have no files lack the column.
ORIGIN = "__origin__"


def visible(names: Iterable[str]) -> list[str]:
    """The columns that are of the data itself."""
    return [name for name in names if name != ORIGIN]


def without_origins(data: DatasetDict) -> DatasetDict:
    """``data`` as it is stored, encoded and shown."""
    from datasets import DatasetDict

    return DatasetDict(
        {split: rows.select_columns(visible(rows.column_names)) for split, rows in data.items()}
    )


def origin_of(rows: Dataset, row: int) -> str:
    """File and line of a row, counted from 0; empty where they are not known."""
    if ORIGIN not in rows.column_names:
        return ""
    return rows.select_columns([ORIGIN])[row][ORIGIN] or ""
