"""How many rows each class has, and where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import Finding, count, places
from pipeline.data.audit.subject import TRAIN

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject

# A class of fewer rows is hardly learned, and its scores are chance.
HANDFUL = 5
# Who always says the most frequent class has this accuracy.
MOST_ONE_SIDED = 0.95
# Rows of a split in which one class alone is no accident.
ENOUGH = 20
_NAMED = 5


def classes(subject: Subject) -> list[Finding]:
    counts = {
        split: np.bincount(numbers, minlength=len(subject.head["labels"]))
        for split, numbers in subject.classes.items()
    }
    names = [str(label) for label in subject.head.get("labels", ())]
    return [*_rare(subject, counts, names), *_one_sided(counts, names), *_missing(counts, names)]


def _rare(subject: Subject, counts: dict[str, np.ndarray], names: list[str]) -> list[Finding]:
    if TRAIN not in counts or subject.source.examples_per_class:
        return []  # few rows of each were asked for
    rare = np.flatnonzero(counts[TRAIN] < HANDFUL)
    if not len(rare):
        return []
    what = f"{count(len(rare), 'label')} with fewer than {HANDFUL} training rows: {_named(rare, counts[TRAIN], names)}"
    numbers = {names[label]: float(counts[TRAIN][label]) for label in rare}
    rows = places({TRAIN: np.flatnonzero(np.isin(subject.classes[TRAIN], rare))})
    return [
        Finding(
            "classes",
            "note",
            what,
            "more rows of them, or one class of several",
            rows,
            numbers=numbers,
        )
    ]


def _one_sided(counts: dict[str, np.ndarray], names: list[str]) -> list[Finding]:
    findings = []
    if TRAIN in counts and counts[TRAIN].max() > MOST_ONE_SIDED * counts[TRAIN].sum():
        most, share = int(counts[TRAIN].argmax()), counts[TRAIN].max() / counts[TRAIN].sum()
        what = f"{share:.1%} of the training rows are {names[most]!r}: accuracy says little"
        advice = "trainer.monitor=val/f1, task.class_weights=balanced"
        findings.append(Finding("classes", "note", what, advice, numbers={names[most]: float(share)}))
    trained = (counts[TRAIN] > 0).sum() if TRAIN in counts else 0
    for split, of in counts.items():
        if split != TRAIN and trained > 1 and of.sum() >= ENOUGH and (of > 0).sum() == 1:
            what = f"all {of.sum():,} rows of {split} are {names[int(of.argmax())]!r}, of {trained} trained labels"
            advice = "rows of every label; do not cut files that are sorted by label"
            findings.append(Finding("classes", "severe", what, advice, numbers={split: float(of.sum())}))
    return findings


def _missing(counts: dict[str, np.ndarray], names: list[str]) -> list[Finding]:
    """Labels that a split lacks, where another has more than a handful of them."""
    if TRAIN not in counts:
        return []
    findings = []
    for split, of in counts.items():
        missing = np.flatnonzero((of == 0) & (counts[TRAIN] >= HANDFUL))
        if split != TRAIN and len(missing):
            named = _named(missing, counts[TRAIN], names)
            what = f"{split} has no row of {count(len(missing), 'label')}: {named} in training"
            advice = "a larger split, or data.split.stratify_by=label where it is held out here"
            findings.append(Finding("classes", "note", what, advice, numbers={split: float(len(missing))}))
    return findings


def _named(labels: np.ndarray, counts: np.ndarray, names: list[str]) -> str:
    shown = ", ".join(f"{names[label]!r} ({counts[label]})" for label in labels[:_NAMED])
    return shown + (f", … and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
