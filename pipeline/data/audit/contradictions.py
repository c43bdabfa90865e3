"""The same text with different targets: one of them is wrong, or the text does not say what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, MANY, Finding, count, places, severity

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject


def contradictions(subject: Subject) -> list[Finding]:
    """Rows of the judged splits whose text another row has with another target, in any split.

    Numbers contradict each other when they are further apart than a standard deviation of all of them.
    """
    if not subject.task.one_target or not subject.targets:
        return []
    splits = list(subject.encoded)
    keys = np.concatenate([subject.keys[split].strict for split in splits])
    blank = np.concatenate([subject.keys[split].blank for split in splits])
    values, most_apart = _values(subject, splits)
    _, group = np.unique(keys, return_inverse=True)
    low, high = _extremes(group, values)
    apart = high - low > most_apart
    wrong = apart[group] & ~blank
    if not wrong.any():
        return []
    ends = np.cumsum([len(subject.raw[split]) for split in splits])
    each = dict(zip(splits, np.split(wrong, ends[:-1]), strict=True))
    found = {split: np.flatnonzero(rows) for split, rows in each.items()}
    total, texts = int(wrong.sum()), len(np.unique(group[wrong]))
    severe = any(rows.mean() >= MANY and rows.sum() >= FEW for rows in each.values())
    what = f"with different targets: {count(texts, 'text')} in {count(total)}"
    advice = "one target for the same text, or a column that tells the rows apart"
    shares = {split: float(rows.mean()) for split, rows in each.items()}
    first = int(np.argmax(wrong))
    other = int(np.flatnonzero((group == group[first]) & (values != values[first]))[0])
    number = int(np.searchsorted(ends, other, side="right"))
    twin = {splits[number]: [other - (int(ends[number - 1]) if number else 0) + 1]}
    return [Finding("contradictions", severity(severe), what, advice, places(found), twin, shares)]


def _values(subject: Subject, splits: list[str]) -> tuple[np.ndarray, float]:
    """The target of every row as a number, and how far those of one text may be apart."""
    role = subject.targets[0]
    kinds = {getattr(subject.raw[split].features[role], "dtype", "") for split in splits}
    if len(subject.targets) == 1 and kinds <= {"float32", "float64"}:
        cells = [subject.raw[split].with_format("numpy")[role][:] for split in splits]
        numbers = np.concatenate(cells).astype(float)
        return numbers, float(numbers.std())
    hashes = np.concatenate([subject.keys[split].target for split in splits])
    return np.unique(hashes, return_inverse=True)[1], 0.0


def _extremes(group: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value in every group."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    return np.minimum.reduceat(values[order], starts), np.maximum.reduceat(values[order], starts)
