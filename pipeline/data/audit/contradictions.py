"""The same text with different targets: one of them is wrong, or the text does not say what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, MANY, Finding, count, places, severity
from pipeline.data.audit.parts import PART, chunks, on_disk, parts

if TYPE_CHECKING:
    from datasets import Dataset

    from pipeline.data.audit.subject import Subject


def contradictions(subject: Subject) -> list[Finding]:
    """Rows of the judged splits whose text another row has with another target, in any split.

    Numbers contradict each other when they are further apart than a standard deviation of all of them.
    """
    if not subject.task.one_target or not subject.targets:
        return []
    targets, most_apart = _targets(subject)
    strict = {split: subject.keys[split].strict for split in subject.encoded}
    wrong = {split: np.zeros(len(keys), bool) for split, keys in strict.items()}
    texts = 0
    for part in parts(strict):
        keys = np.concatenate([strict[split][rows] for split, rows in part.items()])
        values = np.concatenate([targets[split][rows] for split, rows in part.items()])
        blank = np.concatenate([subject.keys[split].blank[rows] for split, rows in part.items()])
        _, group = np.unique(keys, return_inverse=True)
        low, high = _extremes(group, values)
        odd = (high - low > most_apart)[group] & ~blank
        texts += len(np.unique(group[odd]))
        ends = np.cumsum([len(rows) for rows in part.values()])
        for (split, rows), of in zip(part.items(), np.split(odd, ends[:-1]), strict=True):
            wrong[split][rows] = of
    found = {split: np.flatnonzero(rows) for split, rows in wrong.items()}
    total = sum(map(len, found.values()))
    if not total:
        return []
    severe = any(rows.mean() >= MANY and rows.sum() >= FEW for rows in wrong.values())
    what = f"with different targets: {count(texts, 'text')} in {count(total)}"
    advice = "one target for the same text, or a column that tells the rows apart"
    shares = {split: float(rows.mean()) for split, rows in wrong.items()}
    first = next((split, rows[0]) for split, rows in found.items() if len(rows))
    twin = _other(strict, targets, *first)
    return [Finding("contradictions", severity(severe), what, advice, places(found), twin, shares)]


def _other(
    keys: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], split: str, row: int
) -> dict[str, list[int]]:
    """The first row with the text of this one and another target, counted from 1."""
    for other in keys:
        same = keys[other] == keys[split][row]
        same &= targets[other] != targets[split][row]
        if same.any():
            return {other: [int(np.argmax(same)) + 1]}
    raise ValueError(f"no row contradicts row {row} of {split}")


def _targets(subject: Subject) -> tuple[dict[str, np.ndarray], float]:
    """The target of every row as a number, by split, and how far those of one text may be apart."""
    role = subject.targets[0]
    kinds = {getattr(subject.raw[split].features[role], "dtype", "") for split in subject.encoded}
    if len(subject.targets) > 1 or not kinds <= {"float32", "float64"}:
        return {split: subject.keys[split].target for split in subject.encoded}, 0.0
    numbers = {split: _numbers(subject.raw[split], role) for split in subject.encoded}
    total = sum(map(len, numbers.values()))
    pieces = [rows for column in numbers.values() for _, rows in chunks(column)]
    mean = sum(float(rows.sum()) for rows in pieces) / total
    squares = sum(float(np.square(rows - mean).sum()) for rows in pieces)
    return numbers, (squares / total) ** 0.5


def _numbers(rows: Dataset, role: str) -> np.ndarray:
    column, start = on_disk(len(rows), np.float64), 0
    for batch in rows.select_columns([role]).with_format("numpy").iter(PART):
        column[start : start + len(batch[role])] = batch[role]
        start += len(batch[role])
    return column


def _extremes(group: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value in every group."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    return np.minimum.reduceat(values[order], starts), np.maximum.reduceat(values[order], starts)
