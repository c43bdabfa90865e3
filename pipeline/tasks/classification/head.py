"""What a classifier learns from its data before training: labels, counts, weights, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.cells import distinct, without_value
from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.classification.labels import Label, LabelColumn, in_order, one_label, several_labels
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.tasks.base import Head
    from pipeline.tasks.text_classification import TextClassification

LABEL_COLUMN, TEXT_COLUMN = "data.columns.label", "data.columns.text"
# A label with no more rows than there are splits may well be missing in one.
RARE = 3
# Problems of single labels that are shown: a wrong column has one in every row.
MOST = 3


def learn_head(task: "TextClassification", data: "DatasetDict") -> "Head":
    """The head's facts, as :class:`pipeline.tasks.text_classification.TextClassification` describes them.

    Raises BadInput with everything that is wrong, rows named by split, number and text.
    """
    names = class_names(data["train"])
    problems = text_problems(data)
    columns: dict[str, LabelColumn] = {}
    for split, rows in data.items():
        if "label" not in rows.column_names:
            problems.append(
                Problem(
                    LABEL_COLUMN, f"{split} has no labels", f"columns: {listing(visible(rows.column_names))}"
                )
            )
            continue
        separator = task.separator if task.multi_label else None
        columns[split] = LabelColumn(distinct(rows, "label"), separator, names)
    problems += _fault_problems(columns, data)
    if problems:
        raise BadInput(problems)
    labels = _all_labels(task, columns["train"], names)
    problems = _label_problems(task, labels, columns, data)
    weights = _class_weights(task, labels, columns["train"], len(data["train"]), problems)
    if problems:
        raise BadInput(problems)
    return {
        "labels": labels,
        "multi_label": task.multi_label,
        "class_names": names,
        "class_weights": weights,
        "counts": {
            split: {str(label): column.counts[str(label)] for label in labels}
            for split, column in columns.items()
        },
    }


def class_names(rows: "Dataset") -> list[str] | None:
    """The names of a ClassLabel column (or of a list of them); None for any other column."""
    feature: Any = rows.features.get("label")
    feature = getattr(feature, "feature", feature)
    names = getattr(feature, "names", None)
    return list(names) if names else None


def text_problems(data: "Mapping[str, Dataset]") -> list[Problem]:
    """Text columns that are no text, and rows without text."""
    problems = []
    for name in ("text", "text_pair"):
        where = f"data.columns.{name}"
        empty: dict[str, np.ndarray] = {}
        for split, rows in data.items():
            if name not in rows.column_names:
                continue
            kind = getattr(rows.features[name], "dtype", "list")
            if kind not in ("string", "large_string"):
                problems.append(Problem(where, f"the column in {split} holds {kind}", "a column of texts"))
                continue
            if len(found := without_value(rows, name)):
                empty[split] = found + 1
        if empty:
            # The row can be found by what else is in it.
            other = "text" if name == "text_pair" else "label"
            problems.append(row_problem(where, "no text", empty, data, "a text in every row", quoted=other))
    return problems


def _fault_problems(columns: Mapping[str, LabelColumn], data: "Mapping[str, Dataset]") -> list[Problem]:
    """One problem for each kind of cell that cannot be a label, wherever such cells are."""
    faults = {split: column.faults for split, column in columns.items()}
    problems = []
    for kind in dict.fromkeys(kind for each in faults.values() for kind in each):
        found = {split: each[kind] for split, each in faults.items() if kind in each}
        message = next(iter(found.values()))[0]
        places = {split: rows for split, (_, rows) in found.items()}
        problems.append(row_problem(LABEL_COLUMN, message, places, data, "a label in every row"))
    return problems


def target(
    cell: Any, task: "TextClassification", head: "Head", numbers: Mapping[str, int]
) -> int | list[int]:
    """The class number of a cell, or with multi_label a 0 or 1 a class. Raises NotALabelError, KeyError."""
    if not task.multi_label:
        return numbers[str(one_label(cell, head["class_names"]))]
    chosen = {numbers[str(label)] for label in several_labels(cell, task.separator, head["class_names"])}
    return [int(number in chosen) for number in range(len(numbers))]


def _all_labels(task: "TextClassification", train: LabelColumn, names: Sequence[str] | None) -> list[Label]:
    if task.labels is not None:
        return list(task.labels)
    return list(names) if names is not None else in_order(train.labels.values())


def _label_problems(
    task: "TextClassification",
    labels: Sequence[Label],
    columns: Mapping[str, LabelColumn],
    data: "Mapping[str, Dataset]",
) -> list[Problem]:
    known = [str(label) for label in labels]
    seen = columns["train"].counts
    least = 1 if task.multi_label else 2
    if task.labels is not None and len(known) < least:
        return [Problem("task.labels", f"has only {listing(known)}", f"at least {least} labels")]
    if task.labels is None and len(seen) < least:
        return [_too_few_labels(columns, least, "the training data" if task.train else "the data")]
    right = known if task.labels is not None else list(seen)
    names = dict.fromkeys(name for column in columns.values() for name in column.counts)
    valid = set(right)
    wrong = [name for name in names if name not in valid]
    problems = []
    for name in wrong[:MOST]:
        rows = _rows_of([name], columns)
        if task.labels is not None:
            what, allowed, close = (
                f"label {name!r} is not in it",
                f"labels: {listing(known)}",
                nearest(name, known),
            )
            problems.append(row_problem("task.labels", what, rows, data, allowed, nearest=close))
        else:
            problems.append(_never_trained(name, rows, data, right))
    if more := wrong[len(problems) :]:
        hint = "the column of the labels: data.columns.label=NAME"
        what, fault = f"… and {len(more)} more labels like these", "a label that training does not know"
        problems.append(Problem(LABEL_COLUMN, what, hint, rows=_rows_of(more, columns), fault=fault))
    return problems


def _rows_of(names: Sequence[str], columns: Mapping[str, LabelColumn]) -> dict[str, np.ndarray]:
    """The rows of each split that have one of these labels."""
    found = {
        split: [column.rows(name) for name in names if name in column.counts]
        for split, column in columns.items()
    }
    return {split: np.unique(np.concatenate(rows)) for split, rows in found.items() if rows}


def _too_few_labels(columns: Mapping[str, LabelColumn], least: int, whose: str) -> Problem:
    """One label is nothing to tell apart; others may be where training does not see them."""
    seen, several = columns["train"].counts, f"at least {least} different labels"
    found = f"{whose} has no labels"
    if seen:
        (name, count), *_ = seen.items()
        found = f"{whose} has only the label {name!r}, in {count} row{'s' if count > 1 else ''}"
    others = {
        split: [name for name in column.counts if name not in seen]
        for split, column in columns.items()
        if column.counts.keys() - seen.keys()
    }
    if not others:
        return Problem(LABEL_COLUMN, found, several)
    elsewhere = "; ".join(
        f"{split} has {listing(map(repr, names), most=5)}" for split, names in others.items()
    )
    allowed = f"{several} in train: more rows, or smaller data.split.validation and .test (0: none)"
    return Problem(LABEL_COLUMN, f"{found}; {elsewhere}", allowed)


def _never_trained(
    name: str, rows: Mapping[str, np.ndarray], data: "Mapping[str, Dataset]", seen: Sequence[str]
) -> Problem:
    """A label that is only where it is to be recognised: mistyped, or too rare to be in every split."""
    count = sum(map(len, rows.values()))
    what = f"label {name!r} never occurs in the training data"
    ways = "task.labels=[…] keeps classes without training examples"
    if count <= RARE:
        what += f"; all of the data has only {count} row{'s' if count > 1 else ''} of it"
        draw = "data.split.seed=1 holds out other rows, where no file is given for that"
        ways = f"or leave it out, or more rows of it; {draw}; {ways}"
    allowed = f"{listing(seen, most=8)}; {ways}"
    return row_problem(LABEL_COLUMN, what, rows, data, allowed, nearest=nearest(name, seen))


def _class_weights(
    task: "TextClassification",
    labels: Sequence[Label],
    train: LabelColumn,
    rows: int,
    problems: list[Problem],
) -> list[float] | None:
    """A weight for each label. balanced: as scikit-learn's, so that each class weighs the same in sum; with
    multi_label, what makes the texts with a label weigh as much as those without it."""
    names = [str(label) for label in labels]
    if task.class_weights is None:
        return None
    if task.class_weights == "balanced":
        counts = [train.counts[name] for name in names]
        if task.multi_label:
            return [(rows - count) / count if 0 < count < rows else 1.0 for count in counts]
        return [rows / (len(counts) * count) if count else 1.0 for count in counts]
    given = {str(label): weight for label, weight in task.class_weights.items()}
    for name in given.keys() - set(names):
        allowed = f"labels: {listing(names)}"
        problems.append(
            Problem(f"task.class_weights.{name}", "there is no such label", allowed, nearest(name, names))
        )
    return [given.get(name, 1.0) for name in names]
