"""All checks of a run's data, and what they found as plain JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.audit.characters import broken_encoding, unknown_tokens
from pipeline.data.audit.classes import classes
from pipeline.data.audit.contradictions import contradictions
from pipeline.data.audit.copies import leaked, repeated
from pipeline.data.audit.finding import Finding
from pipeline.data.audit.flipped import flipped
from pipeline.data.audit.lengths import lengths, truncation
from pipeline.data.audit.near_copies import near_copies
from pipeline.data.audit.subject import MOST, Subject
from pipeline.data.audit.unlearned import empty, masked

if TYPE_CHECKING:
    from datasets import Dataset

CHECKS: tuple[Callable[[Subject], list[Finding]], ...] = (
    leaked,
    near_copies,
    repeated,
    contradictions,
    flipped,
    classes,
    empty,
    masked,
    truncation,
    unknown_tokens,
    broken_encoding,
)

# Rows of a split whose numbers are kept. How many there are is in words.
_KEPT = 1_000

# Names rows such that a person finds them: rows by split, the data, the column that is quoted.
PlacesText = Callable[[Mapping[str, Sequence[int]], "Mapping[str, Dataset]", str], str]


def audit(subject: Subject, places_text: PlacesText) -> dict[str, Any]:
    """``lengths`` by split, ``findings`` (those that are severe first, each with its ``places`` in words), and the
    splits that were ``sampled``."""
    findings = [finding for check in CHECKS for finding in check(subject)]
    findings.sort(key=lambda finding: finding.severity != "severe")
    return {
        "lengths": lengths(subject),
        "findings": [
            {
                **dataclasses.asdict(finding),
                "rows": {split: rows[:_KEPT] for split, rows in finding.rows.items()},
                "places": _where(finding, subject, places_text),
            }
            for finding in findings
        ],
        "sampled": [split for split, rows in subject.raw.items() if len(rows) > MOST],
    }


def _where(finding: Finding, subject: Subject, places_text: PlacesText) -> str:
    if not finding.rows:
        return ""
    rows = places_text(finding.rows, subject.raw, subject.quoted)
    return (
        f"{rows}; the first as {places_text(finding.twin, subject.raw, subject.quoted)}"
        if finding.twin
        else rows
    )
