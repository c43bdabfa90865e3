"""Few-shot training data: the same number of examples of every class."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.cells import Distinct, distinct
from pipeline.data.origins import origin_of, visible
from pipeline.errors import BadInput, Problem, listing

if TYPE_CHECKING:
    from datasets import Dataset

KEY, COLUMN = "data.examples_per_class", "label"


def draw_examples(rows: "Dataset", count: int, seed: int) -> "Dataset":
    """``count`` rows of each value of the column ``label``, in the order of the data.

    A smaller count draws a part of what a larger one does. Raises BadInput for classes with fewer rows, rows
    without a label, and labels that are no classes (lists of labels, numbers with a fraction).
    """
    if COLUMN not in rows.column_names:
        what = f"the training data has no column {COLUMN!r} with classes"
        raise BadInput(Problem(KEY, what, f"its columns are: {listing(visible(rows.column_names))}; or null"))
    cells = distinct(rows, COLUMN)
    if problems := _problems(rows, cells):
        raise BadInput(problems)
    order = np.random.default_rng(seed).permutation(len(rows))
    by_class = order[np.argsort(cells.codes[order], kind="stable")]
    ends = np.cumsum(cells.counts())
    few = {label: int(n) for label, n in zip(cells.values, cells.counts(), strict=True) if n < count}
    if few:
        rare = sorted(few.items(), key=lambda item: (item[1], str(item[0])))
        names = listing((f"{_name(rows, label)!r} has {number}" for label, number in rare), most=8)
        allowed = f"at most {rare[0][1]}, or more rows of these classes (held-out rows are not among them)"
        raise BadInput(Problem(KEY, f"{count} examples of each class are not there: {names}", allowed))
    return rows.select(np.sort(np.concatenate([each[:count] for each in np.split(by_class, ends[:-1])])))


def _problems(rows: "Dataset", cells: Distinct) -> list[Problem]:
    """Cells of the label column that cannot be a class: a problem for each kind, with the rows."""
    found: dict[str, tuple[str, list[int]]] = {}
    for place, cell in enumerate(cells.values):
        if kind_and_fault := _fault(cell):
            kind, fault = kind_and_fault
            found.setdefault(kind, (fault, []))[1].append(place)
    problems = []
    for fault, places in found.values():
        bad = np.flatnonzero(np.isin(cells.codes, places)) + 1
        first = origin_of(rows, int(bad[0]) - 1) or f"row {bad[0]} of train"
        more = f" ({len(bad):,} rows are like it)" if len(bad) > 1 else ""
        what, allowed = f"{first} has {fault}{more}", "data with one class a row; or null"
        problems.append(Problem(KEY, what, allowed, rows={"train": bad}, fault=fault))
    return problems


def _fault(cell: Any) -> tuple[str, str] | None:
    """The kind of what is wrong with a cell, and what it is."""
    if cell is None or cell == "" or cell != cell:  # Only NaN differs from itself.
        return "none", "no label"
    if isinstance(cell, list | dict):
        return "several", f"several labels: {str(cell)[:60]}"
    if isinstance(cell, float) and not cell.is_integer():
        return "fraction", f"the number {cell} as label, which is no class"
    return None


def _name(rows: "Dataset", label: Any) -> Any:
    """A class as the user knows it: a `datasets` ClassLabel stores its number."""
    names = getattr(rows.features[COLUMN], "names", None)
    return names[label] if names and 0 <= label < len(names) else label
