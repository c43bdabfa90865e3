"""Few-shot training data: the same number of examples of every class."""

from typing import TYPE_CHECKING, Any

import numpy as np

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
        raise BadInput(Problem(KEY, what, f"its columns are: {listing(rows.column_names)}; or null"))
    cells = rows[COLUMN][:]
    _check(cells)
    members: dict[Any, list[int]] = {}
    for row in np.random.default_rng(seed).permutation(len(rows)).tolist():
        members.setdefault(cells[row], []).append(row)
    few = {label: len(found) for label, found in members.items() if len(found) < count}
    if few:
        rare = sorted(few.items(), key=lambda item: (item[1], str(item[0])))
        names = listing((f"{_name(rows, label)!r} has {number}" for label, number in rare), most=8)
        allowed = f"at most {rare[0][1]}, or more rows of these classes (held-out rows are not among them)"
        raise BadInput(Problem(KEY, f"{count} examples of each class are not there: {names}", allowed))
    return rows.select(sorted(row for found in members.values() for row in found[:count]))


def _check(cells: list[Any]) -> None:
    """Raises BadInput where a cell of the label column cannot be a class."""
    for row, cell in enumerate(cells, start=1):
        if cell is None or cell == "" or cell != cell:  # Only NaN differs from itself.
            what = f"row {row} of train has no label"
        elif isinstance(cell, list | dict):
            what = f"row {row} of train has several labels: {str(cell)[:60]}"
        elif isinstance(cell, float) and not cell.is_integer():
            what = f"the label of row {row} of train is the number {cell}, which is no class"
        else:
            continue
        raise BadInput(Problem(KEY, what, "data with one class a row; or null"))


def _name(rows: "Dataset", label: Any) -> Any:
    """A class as the user knows it: a `datasets` ClassLabel stores its number."""
    names = getattr(rows.features[COLUMN], "names", None)
    return names[label] if names and 0 <= label < len(names) else label
