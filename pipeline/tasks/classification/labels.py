"""Labels as they stand in data: their types, their order, and how often each occurs."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    """The labels in a cell: a list of them, or a string with ``separator`` between them; maybe none."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
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


@dataclass
class LabelColumn:
    """What the label column of one split holds. Rows count from 1."""

    counts: Counter[str] = field(default_factory=Counter)
    # A label by its name, and the rows that it is in (the first ones).
    labels: dict[str, Label] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    # What is wrong, by its kind: the first message, and the rows where.
    faults: dict[str, tuple[str, list[int]]] = field(default_factory=dict)

    def read(
        self, cells: Iterable[Any], separator: str | None, class_names: Sequence[str] | None
    ) -> "LabelColumn":
        """Read every cell; with a ``separator`` each may hold several labels."""
        for row, cell in enumerate(cells, start=1):
            try:
                found = (
                    [one_label(cell, class_names)]
                    if separator is None
                    else several_labels(cell, separator, class_names)
                )
            except NotALabelError as fault:
                self.faults.setdefault(fault.kind, (str(fault), []))[1].append(row)
                continue
            for label in {str(label): label for label in found}.items():
                name, value = label
                self.counts[name] += 1
                self.labels.setdefault(name, value)
                self.rows.setdefault(name, []).append(row)
        return self
