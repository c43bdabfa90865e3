"""Rows with the text of another row: in one split, and in training as well as in what is evaluated on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, Finding, count, places, severity
from pipeline.data.audit.parts import parts
from pipeline.data.audit.subject import TRAIN

if TYPE_CHECKING:
    from pipeline.data.audit.keys import Keys
    from pipeline.data.audit.subject import Subject

# A model that knows a share of the test rows by heart scores at most that share higher (times its error on them):
# above this it is about what methods differ by. Public benchmarks have up to 2 or 3 %.
SEVERE_LEAK = 0.05
# Bytes below which a row to be written, or a document, is a phrase that people say again, not a copy.
PHRASE = 30


def repeated(subject: Subject) -> list[Finding]:
    """Rows whose text and target stand in an earlier row of the same split."""
    found = {}
    for split in subject.encoded:
        again = _again(subject.keys[split])
        found[split] = again[telling(subject, split, again)]
    total = sum(map(len, found.values()))
    if not total:
        return []
    most = max(found, key=lambda split: len(found[split]) / len(subject.raw[split]))
    share = len(found[most]) / len(subject.raw[most])
    what = f"repeated in the same split: {count(total)} ({share:.1%} of {most})"
    advice = "leave them out: a row that is there twice counts twice"
    numbers = {split: float(len(rows)) for split, rows in found.items()}
    return [Finding("repeated rows", "note", what, advice, places(found), numbers=numbers)]


def _again(keys: Keys) -> np.ndarray:
    """Indices of the rows whose text and target an earlier one has."""
    again = np.zeros(len(keys.loose), bool)
    for part in parts({"": keys.loose}):
        rows = part[""]
        loose, target = keys.loose[rows], keys.target[rows]
        order = np.lexsort((target, loose))  # which keeps equal ones in the order of the rows
        same = (np.diff(loose[order]) == 0) & (np.diff(target[order]) == 0)
        again[rows[order[1:][same]]] = True
    return np.flatnonzero(again)


def leaked(subject: Subject) -> list[Finding]:
    """Rows to be evaluated on whose text is in training, and test rows whose text is in validation."""
    if subject.source.overfit is not None:
        return []  # the same rows everywhere, as was asked for
    findings = []
    if TRAIN in subject.keys:
        found = {split: shared(subject, split, TRAIN) for split in subject.scored}
        if total := sum(map(len, found.values())):
            shares = {split: _share(subject, split, rows) for split, rows in found.items()}
            worst = max(shares, key=shares.__getitem__)
            severe = any(share > SEVERE_LEAK and len(found[split]) >= FEW for split, share in shares.items())
            first = next(split for split, rows in found.items() if len(rows))
            twin = subject.keys[TRAIN].loose == subject.keys[first].loose[found[first][0]]
            same = {TRAIN: [int(np.argmax(twin)) + 1]}
            what = f"also in training: {count(total)} of evaluation ({shares[worst]:.1%} of {worst})"
            advice = (
                "leave them out of training; where the rows were held out here, data.split.group_by=COLUMN keeps "
                "together what belongs together"
            )
            findings.append(Finding("leakage", severity(severe), what, advice, places(found), same, shares))
    validation = [split for split in subject.scored if split.partition("_")[0] == "validation"]
    if "test" in subject.encoded and validation:
        both = {"test": np.unique(np.concatenate([shared(subject, "test", split) for split in validation]))}
        if total := len(both["test"]):
            what = f"also in validation, by which the checkpoint is chosen: {count(total)} of test"
            share = {"test": _share(subject, "test", both["test"])}
            findings.append(
                Finding("leakage", "note", what, "leave them out of validation", places(both), {}, share)
            )
    return findings


def shared(subject: Subject, split: str, other: str) -> np.ndarray:
    """Indices of the rows of a split whose text another one has."""
    here, there = subject.keys[split].loose, subject.keys[other].loose
    found = np.zeros(len(here), bool)
    for part in parts({split: here, other: there}):
        found[part[split]] = np.isin(here[part[split]], there[part[other]])
    rows = np.flatnonzero(found)
    return rows[telling(subject, split, rows)]


def telling(subject: Subject, split: str, rows: np.ndarray) -> np.ndarray:
    """Which of these rows would not be the same by chance."""
    keys = subject.keys[split]
    return ~keys.blank[rows] & (subject.task.one_target | (keys.size[rows] >= PHRASE))


def _share(subject: Subject, split: str, rows: np.ndarray) -> float:
    """Of the rows; of the text, where all of it is predicted."""
    if subject.task.targets:
        return len(rows) / len(subject.raw[split])
    size = subject.keys[split].size
    return float(size[rows].sum() / max(size.sum(), 1))
