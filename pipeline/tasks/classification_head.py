"""What a classifier learns from its data before training: labels, counts, weights, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.labels import Label, LabelColumn, in_order, one_label, rows_text, several_labels

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.tasks.base import Head
    from pipeline.tasks.text_classification import TextClassification

LABEL_COLUMN, TEXT_COLUMN = "data.columns.label", "data.columns.text"


def learn_head(task: "TextClassification", data: "DatasetDict") -> "Head":
    """The head's facts, as :class:`pipeline.tasks.text_classification.TextClassification` describes them.

    Raises BadInput with everything that is wrong, rows counted from 1 within their split.
    """
    names = class_names(data["train"])
    problems = [problem for split, rows in data.items() for problem in text_problems(rows, split)]
    columns: dict[str, LabelColumn] = {}
    for split, rows in data.items():
        if "label" not in rows.column_names:
            problems.append(
                Problem(LABEL_COLUMN, f"{split} has no labels", f"columns: {listing(rows.column_names)}")
            )
            continue
        separator = task.separator if task.multi_label else None
        column = columns[split] = LabelColumn().read(rows["label"][:], separator, names)
        problems += _first_few(
            [
                Problem(LABEL_COLUMN, f"{fault}, in {split}, {rows_text(where)}, counted from 1")
                for fault, where in column.faults.items()
            ]
        )
    if problems:
        raise BadInput(problems)
    labels = _all_labels(task, columns["train"], names)
    problems = _label_problems(task, labels, columns)
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


def text_problems(rows: "Dataset", split: str) -> list[Problem]:
    """Text columns that are no text, and rows without text."""
    import pyarrow.compute

    problems = []
    for name in ("text", "text_pair"):
        if name not in rows.column_names:
            continue
        where = f"data.columns.{name}"
        kind = getattr(rows.features[name], "dtype", "list")
        if kind not in ("string", "large_string"):
            problems.append(Problem(where, f"the column in {split} holds {kind}", "a column of texts"))
            continue
        column = rows.select_columns([name]).with_format("arrow")[:][name]
        empty = pyarrow.compute.indices_nonzero(column.is_null()).to_pylist()
        if empty:
            rows_there = rows_text([row + 1 for row in empty])
            problems.append(
                Problem(where, f"no text in {split}, {rows_there}, counted from 1", "a text in every row")
            )
    return problems


def _first_few(problems: list[Problem], most: int = 5) -> list[Problem]:
    """The first problems; of the rest only how many there are, for a wrong column has one in every row."""
    more = len(problems) - most
    rest = [Problem(LABEL_COLUMN, f"… and {more} more labels like these")] if more > 0 else []
    return problems[:most] + rest


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
    task: "TextClassification", labels: Sequence[Label], columns: Mapping[str, LabelColumn]
) -> list[Problem]:
    problems = []
    known = [str(label) for label in labels]
    seen = columns["train"].counts
    least = 1 if task.multi_label else 2
    if len(known) < least or (task.labels is None and len(seen) < least):
        found = (
            f"the training data has only the label {known[0]!r}"
            if seen
            else "the training data has no labels"
        )
        problems.append(Problem(LABEL_COLUMN, found, f"at least {least} different labels"))
        return problems
    for split, column in columns.items():
        for name, rows in column.rows.items():
            if name in (known if task.labels is not None else seen):
                continue
            place = f"{split} ({rows_text(rows)}, counted from 1)"
            if task.labels is not None:
                what, allowed = f"label {name!r} of {place} is not in it", f"labels: {listing(known)}"
                problems.append(Problem("task.labels", what, allowed, nearest(name, known)))
            else:
                what = f"label {name!r} of {place} never occurs in the training data"
                allowed = f"{listing(seen)}; task.labels=[…] keeps classes without training examples"
                problems.append(Problem(LABEL_COLUMN, what, allowed, nearest(name, seen)))
    return _first_few(problems)


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
