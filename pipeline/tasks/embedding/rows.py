"""Rows that text embeddings are learned from: which form they have, their texts, and what is wrong with them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import BadInput, Problem, listing
from pipeline.tasks.cells import listed_texts
from pipeline.tasks.classification.labels import NotALabelError, one_label
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import Dataset

Form = Literal["scored", "pairs", "labelled"]

# The columns that make each form, the first one that is there being taken.
FORMS: dict[Form, tuple[str, ...]] = {
    "pairs": ("text", "positive"),
    "scored": ("text", "text_pair", "score"),
    "labelled": ("text", "label"),
}
ALLOWED = "; or ".join(", ".join(columns) for columns in FORMS.values())


def form_of(columns: Sequence[str]) -> Form:
    """Raises BadInput for columns of which no embedding can be learned."""
    for form, needed in FORMS.items():
        if set(needed) <= set(columns):
            return form
    there = [name for name in ("text_pair", "score", "negative") if name in columns]
    beside = f" beside {listing(there)}" if there else ""
    what = f"nothing says which texts are alike{beside}; the columns are: {listing(columns)}"
    allowed = f"columns {ALLOWED}; say which with data.columns.positive=NAME, …"
    raise BadInput(Problem("data.columns", what, allowed))


def texts_of(row: Mapping[str, Any], form: Form | None) -> list[str]:
    """The texts of a row, the one that is asked with first. None is the form of rows that a model is asked about."""
    others: list[str] = []
    if form == "pairs":
        others = [row["positive"], *negatives(row.get("negative"))]
    elif form == "scored" or (form is None and row.get("text_pair") is not None):
        others = [row["text_pair"]]
    return [row["text"], *others]


def negatives(cell: Any) -> list[str]:
    """The hard negatives of a row: one text, a list of them, also as JSON, or none."""
    if cell is None:
        return []
    cell = listed_texts(cell)
    return [cell] if isinstance(cell, str) else list(cell)


def faults(
    rows: Mapping[str, Sequence[Any]], form: Form, least_negatives: int = 0
) -> dict[str, dict[str, list[int]]]:
    """Column -> what is wrong -> rows, from 1."""
    found: dict[str, dict[str, list[int]]] = {}
    checks: dict[str, Any] = {name: _text_fault for name in FORMS[form][:2] if name != "label"}
    if form == "scored":
        checks["score"] = _score_fault
    if form == "labelled":
        checks["label"] = _label_fault
    if form == "pairs" and "negative" in rows:
        checks["negative"] = lambda cell: _negative_fault(cell, least_negatives)
    for name, check in checks.items():
        for number, cell in enumerate(rows[name], start=1):
            if (what := check(cell)) is not None:
                found.setdefault(name, {}).setdefault(what, []).append(number)
    return found


def problems_of(splits: Mapping[str, Dataset], form: Form, least_negatives: int = 0) -> list[Problem]:
    """What is wrong with the rows of all splits, one problem for each kind."""
    kinds: dict[tuple[str, str], dict[str, list[int]]] = {}
    for split, rows in splits.items():
        columns = {name: rows[name][:] for name in rows.column_names if name in _COLUMNS}
        for column, whats in faults(columns, form, least_negatives).items():
            for what, numbers in whats.items():
                kinds.setdefault((column, what), {})[split] = numbers
    return [
        row_problem(f"data.columns.{column}", what, places, splits, _WANTED[column])
        for (column, what), places in kinds.items()
    ]


def label_problems(labels: Sequence[Any]) -> list[Problem]:
    """Labels that say nothing of what is alike: a single one, or one of its own for every text."""
    counts = Counter(str(one_label(label)) for label in labels)
    if len(counts) == 1:
        what = f"the training data has only the label {next(iter(counts))!r}"
        return [Problem("data.columns.label", what, "at least 2 different labels")]
    if max(counts.values()) == 1:
        what = "no label has two texts in the training data, so nothing is alike"
        return [Problem("data.columns.label", what, "labels that texts have in common")]
    return []


_COLUMNS = ("text", "text_pair", "score", "positive", "negative", "label")
_TEXT = "a text in every row"
_WANTED = {
    "text": _TEXT,
    "text_pair": _TEXT,
    "positive": _TEXT,
    "negative": "a text, or a list of them",
    "score": "a number in every row",
    "label": "a label in every row",
}


def _text_fault(cell: Any) -> str | None:
    if cell is None:
        return "no text"
    if not isinstance(cell, str):
        return f"{type(cell).__name__}, not text"
    return None if cell.strip() else "an empty text"


def _negative_fault(cell: Any, least: int) -> str | None:
    if cell is not None and not isinstance(cell, str | list):
        return f"{type(cell).__name__}, neither text nor list"
    texts = negatives(cell)
    wrong = next((fault for text in texts if (fault := _text_fault(text))), None)
    return wrong or ("no negative, which objective=triplet needs" if len(texts) < least else None)


def _score_fault(cell: Any) -> str | None:
    if cell is None:
        return "no score"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return f"{type(cell).__name__}, not a number"
    return None if math.isfinite(cell) else f"{cell} as score"


def _label_fault(cell: Any) -> str | None:
    try:
        one_label(cell)
    except NotALabelError as fault:
        return str(fault)
    return None


def number_of(text: str) -> int:
    """The same number for the same text, in every process and split: 63 bits of its BLAKE2 hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
