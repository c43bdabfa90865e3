"""Cells of the label column as what a classifier is to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.classification.head import LABEL_COLUMN, target
from pipeline.tasks.classification.labels import NotALabelError

if TYPE_CHECKING:
    from pipeline.tasks.base import Head
    from pipeline.tasks.text_classification import TextClassification


def targets(cells: Sequence[Any], task: TextClassification, head: Head) -> list[int] | list[list[int]]:
    """Class numbers, or for each text a list of 0 and 1 for each class. Raises BadInput for all cells at once that are
    no label, or one that the head does not have."""
    names = [str(label) for label in head["labels"]]
    numbers = {name: number for number, name in enumerate(names)}
    found, faults = [], {}
    for cell in cells:
        try:
            found.append(target(cell, task, head, numbers))
        except NotALabelError as fault:
            faults[str(fault)] = Problem(LABEL_COLUMN, str(fault))
        except KeyError as unknown:
            name = unknown.args[0]
            allowed = f"labels that the model knows: {listing(names)}"
            faults[name] = Problem(
                LABEL_COLUMN, f"the model has no label {name!r}", allowed, nearest(name, names)
            )
    if faults:
        raise BadInput(list(faults.values()))
    return found  # type: ignore[return-value]
