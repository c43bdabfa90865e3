"""Rows with a text to read and a text to write: what a row holds, and rows that cannot serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import BadInput, Problem
from pipeline.tasks.cells import listed_texts
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import Dataset

Row = Mapping[str, Any]
T = TypeVar("T")
# Training texts that are looked at to see what script they are in.
_SAMPLE = 1_000
_CHUNK = 1_000


def rows_of(columns: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """column -> values, row by row."""
    names = list(columns)
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(names, cells, strict=True))


def references(cell: Any) -> list[str]:
    """The texts in a cell: one, or a list of several, also as JSON. Raises ValueError where there is none, or an
    empty one.

    A text that is itself JSON of a list of texts stays one as the only text of a list. ``[]`` is a text.
    """
    cell = listed_texts(cell) or cell
    texts = cell if isinstance(cell, list | tuple) else [cell]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("has no text")
    return list(texts)


def check_rows(
    data: Mapping[str, Dataset],
    read: Mapping[str, Callable[[Row], Any]],
    columns: Sequence[str],
) -> list[Problem]:
    """What is wrong with rows: for each role the rows of which ``read`` gets no text.

    read: role -> gives its text, or raises ValueError with what is wrong.
    columns: those that are read; rows are quoted by the first that there is.
    """
    faults: dict[tuple[str, str], dict[str, list[int]]] = {}
    for split, rows in data.items():
        chosen = rows.select_columns([name for name in columns if name in rows.column_names])
        for start in range(0, len(chosen), _CHUNK):
            for number, row in enumerate(rows_of(chosen[start : start + _CHUNK]), start + 1):
                for role, text_of in read.items():
                    try:
                        text_of(row)
                    except ValueError as fault:
                        faults.setdefault((role, str(fault)), {}).setdefault(split, []).append(number)
    quoted = next((name for name in columns if any(name in rows.column_names for rows in data.values())), "")
    return [
        row_problem(
            f"data.columns.{role}",
            what,
            places,
            data,
            "a text in every row",
            quoted=quoted,
            between=" in ",
        )
        for (role, what), places in faults.items()
    ]


def sample(rows: Dataset, columns: Sequence[str], text_of: Callable[[Row], T]) -> list[T]:
    """Some of the texts, or lists of them, from all over the rows."""
    chosen = rows.select_columns([name for name in columns if name in rows.column_names])
    return [text_of(row) for row in rows_of(chosen[:: max(1, len(rows) // _SAMPLE)])]


class Blank(ValueError):
    """A source that is there and empty: a mistake in data to learn from, and none in what a model is asked."""


def source_text(cell: Any) -> str:
    """Raises ValueError where there is no text in ``cell``."""
    if not isinstance(cell, str):
        raise ValueError("has no text" if cell is None else f"has no text but {cell!r:.40}")
    if not cell.strip():
        raise Blank("has no text")
    return cell


def one_fault(role: str, what: object) -> BadInput:
    """The complaint about a row of a batch, which `pipeline.data.refused` finds."""
    return BadInput(Problem(f"data.columns.{role}", str(what), "a text"))
