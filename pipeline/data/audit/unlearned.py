"""Rows from which nothing is learned: without text, or without a single target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, MANY, Finding, count, places, severity
from pipeline.data.audit.tokens import numbers, tally

if TYPE_CHECKING:
    from datasets import Dataset

    from pipeline.data.audit.subject import Subject

# What is not learned (torch's and transformers' convention), and the features that hold it.
_IGNORED = -100
_TARGETS = ("labels", "targets", "start")


def empty(subject: Subject) -> list[Finding]:
    """Rows without text. Documents apart: an empty line between them is none."""
    if not subject.task.targets:
        return []
    found = {split: np.flatnonzero(subject.keys[split].blank) for split in subject.encoded}
    what = "without text: nothing can be said of it"
    return _finding(subject, "empty rows", found, what, "leave them out, or look where the text has gone")


def masked(subject: Subject) -> list[Finding]:
    """Rows in whose features every target is ignored."""
    blank = {split: subject.keys[split].blank for split in subject.encoded} if subject.task.targets else {}
    found = {}
    for split, features in subject.encoded.items():
        rows = _nothing_learned(features, len(subject.raw[split]))
        if split in blank and len(rows):
            rows = rows[~blank[split][rows]]  # is told of as empty
        found[split] = rows
    what = "that no target is left of: they train nothing, and are scored as nothing"
    advice = "a larger task.max_length where the target is cut off; a look at the rows where there is none"
    return _finding(subject, "nothing to learn", found, what, advice)


def _finding(
    subject: Subject, check: str, found: dict[str, np.ndarray], what: str, advice: str
) -> list[Finding]:
    total = sum(map(len, found.values()))
    if not total:
        return []
    shares = {split: len(rows) / len(subject.raw[split]) for split, rows in found.items()}
    severe = any(shares[split] >= MANY and len(rows) >= FEW for split, rows in found.items())
    return [Finding(check, severity(severe), f"{count(total)} {what}", advice, places(found), numbers=shares)]


def _nothing_learned(features: Dataset, rows: int) -> np.ndarray:
    """Rows that have features, none of them with a target."""
    some, learned = np.zeros(rows, bool), np.zeros(rows, bool)
    for idle, of in _idle(features):
        some[of], learned[of[~idle]] = True, True
    return np.flatnonzero(some & ~learned)


def _idle(features: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every feature, some thousand at a time, where targets are told by number: whether it has none, its row."""
    if name := next((name for name in _TARGETS if name in features.column_names), None):
        for ignored, total, rows in tally(features, name, _IGNORED):
            yield ignored == total, rows
    elif {"prompt_length", "length"} <= set(features.column_names):
        for prompt, length, rows in numbers(features, "prompt_length", "length", "row"):
            yield prompt >= length, rows
