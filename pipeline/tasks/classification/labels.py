"""Labels as they stand in data: their types, their order, and how often each occurs."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.data.cells import Distinct
from pipeline.tasks.cells import listed

Label = str | int | bool


class NotALabelError(ValueError):
    """A cell that cannot be a label; the message says why. ``kind``: what cells with the same fault share."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind or message


def one_label(cell: Any, class_names: Sequence[str] | None = None) -> Label:
    """The label in a cell. ``class_names`` are those of a `datasets` ClassLabel, which stores numbers.

    Whole floats are integers: that is what a csv column of integers becomes when a cell of it is empty.
    Raises NotALabelError for an empty cell, a fraction, a list or anything else.
    """
    if isinstance(cell, list | tuple):
        raise NotALabelError("a list of labels; with several labels a text, set task.multi_label=true")
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        raise NotALabelError("no label")
    if isinstance(cell, float):
        if not cell.is_integer():
            what = f"the fraction {cell} as label; a label is a word or a whole number"
            raise NotALabelError(what, "fraction")
        cell = int(cell)
    if isinstance(cell, int) and not isinstance(cell, bool) and class_names is not None:
        if not 0 <= cell < len(class_names):
            what = f"the label {cell}, which is none of the data set's {len(class_names)} classes"
            raise NotALabelError(what, "class number")
        return class_names[cell]
    if not isinstance(cell, str | int):
        raise NotALabelError(f"a {type(cell).__name__} as label")
    return cell


def several_labels(cell: Any, separator: str, class_names: Sequence[str] | None = None) -> list[Label]:
    """The labels in a cell: a list of them, also as JSON, or a string with ``separator`` between them; maybe none."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
    cell = listed(cell)
    if isinstance(cell, str):
        cell = [part.strip() for part in cell.split(separator) if part.strip()]
    if not isinstance(cell, list | tuple):
        cell = [cell]
    return [one_label(part, class_names) for part in cell]


def in_order(labels: Iterable[Label]) -> list[Label]:
    """Labels sorted as people do: numbers by size, words by letter with the numbers in them by size."""

    def key(label: Label) -> tuple[int, int, list[Any]]:
        if isinstance(label, int):
            return 0, label, []
        parts = re.split(r"(\d+)", label)
        return 1, 0, [int(part) if i % 2 else (part.casefold(), part) for i, part in enumerate(parts)]

    return sorted(labels, key=key)


class LabelColumn:
    """What the label column of one split holds: ``counts`` of labels by their names, and what is wrong. Rows count
    from 1.

    cells: of the column. separator: with one each may hold several labels.
    """

    def __init__(
        self, cells: Distinct, separator: str | None = None, class_names: Sequence[str] | None = None
    ) -> None:
        self.cells = cells
        self.counts: Counter[str] = Counter()
        self.labels: dict[str, Label] = {}
        # In which of the distinct cells a label is, and which have a fault: its kind, and the first message.
        self._places: dict[str, list[int]] = {}
        self._faults: dict[str, tuple[str, list[int]]] = {}
        for place, (cell, count) in enumerate(zip(cells.values, cells.counts().tolist(), strict=True)):
            try:
                found = (
                    [one_label(cell, class_names)]
                    if separator is None
                    else several_labels(cell, separator, class_names)
                )
            except NotALabelError as fault:
                self._faults.setdefault(fault.kind, (str(fault), []))[1].append(place)
                continue
            for name, value in {str(label): label for label in found}.items():
                self.counts[name] += count
                self.labels.setdefault(name, value)
                self._places.setdefault(name, []).append(place)

    def rows(self, name: str) -> np.ndarray:
        """Those with a label; none where it does not occur."""
        return self._rows(self._places.get(name, []))

    @property
    def faults(self) -> dict[str, tuple[str, np.ndarray]]:
        """What is wrong, by its kind: the first message, and the rows where."""
        return {kind: (message, self._rows(places)) for kind, (message, places) in self._faults.items()}

    def _rows(self, places: Sequence[int]) -> np.ndarray:
        return np.flatnonzero(np.isin(self.cells.codes, places)) + 1
