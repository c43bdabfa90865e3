"""Numbers to predict as they stand in data: what is no number, their scale, and targets in that scale."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.cells import numbered
from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing
from pipeline.tasks.classification.head import text_problems
from pipeline.tasks.faults import FaultError, Faults, FaultsOfBatch

if TYPE_CHECKING:
    from datasets import DatasetDict

    from pipeline.tasks.base import Head

NUMBERS = "a number in every row"


def number(cell: Any) -> float:
    """The finite number in a cell, which may be written as text. Raises FaultError."""
    if cell is None or cell == "":
        raise FaultError("no number", NUMBERS)
    if isinstance(cell, list | tuple | dict):
        several = "a column for each target, named in task.target_columns=[…]"
        raise FaultError("several values in a cell", several)
    if isinstance(cell, bool):
        raise FaultError(f"{cell} is no number", NUMBERS, "boolean")
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise FaultError(f"{str(cell)[:40]!r} is no number", NUMBERS, "text") from None
    if not math.isfinite(value):
        raise FaultError(f"{cell} is no number to learn", NUMBERS, "not finite")
    return value


def learn_targets(names: Sequence[str], data: "DatasetDict") -> "Head":
    """The head's facts, as :class:`pipeline.tasks.regression.Regression` describes them.

    Raises BadInput with everything that is wrong, rows named by split, number and text: texts that are none,
    targets that are no finite numbers, and a target that has one value in all of the training data.
    """
    import numpy as np

    problems = text_problems(data)
    columns: dict[str, np.ndarray] = {}
    for name in names:
        found = _column_problems(name, data)
        problems += found
        if found:
            continue
        cells = (number(cell) for _, cell in numbered(data["train"], name))
        columns[name] = np.fromiter(cells, dtype=np.float64, count=len(data["train"]))
        with np.errstate(over="ignore"):
            deviation = columns[name].std()
        if np.ptp(columns[name]) == 0:
            what = f"all {len(columns[name]):,} rows of train have the value {columns[name][0]:g}"
            problems.append(
                Problem(f"data.columns.{name}", f"{what}, so there is nothing to learn", "numbers")
            )
        elif not 0 < deviation < math.inf:
            what = "the values of train are too large, or too close to each other, for their deviation"
            problems.append(Problem(f"data.columns.{name}", what, "numbers in another unit"))
    if problems:
        raise BadInput(problems)
    return {
        "target_names": list(names),
        "target_mean": [float(values.mean()) for values in columns.values()],
        "target_scale": [float(values.std()) for values in columns.values()],
        "target_low": [float(values.min()) for values in columns.values()],
        "target_high": [float(values.max()) for values in columns.values()],
    }


def _column_problems(name: str, data: "DatasetDict") -> list[Problem]:
    """One problem for each kind of cell that cannot be a target, wherever such cells are."""
    where = f"data.columns.{name}"
    missing = [split for split, rows in data.items() if name not in rows.column_names]
    if missing:
        there = listing(visible(data[missing[0]].column_names))
        return [Problem(where, f"{listing(missing)} has no column {name!r}", f"columns: {there}")]
    faults = Faults()
    for split, rows in data.items():
        for row, cell in numbered(rows, name):
            try:
                number(cell)
            except FaultError as fault:
                faults.add(name, fault, split, row)
    return faults.problems(data)


def standardised(rows: Mapping[str, Sequence[Any]], head: "Head") -> list[list[float]]:
    """Targets of each row as the model learns them: distance from the mean, in standard deviations.

    Raises BadInput with the values that are no numbers.
    """
    faults = FaultsOfBatch()
    columns: list[list[float]] = []
    for name, mean, scale in zip(
        head["target_names"], head["target_mean"], head["target_scale"], strict=True
    ):
        column = []
        for cell in rows[name]:
            try:
                column.append((number(cell) - mean) / scale)
            except FaultError as fault:
                faults.add(name, fault)
        columns.append(column)
    faults.raise_any()
    return [list(row) for row in zip(*columns, strict=True)]
