"""One thing that an audit has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

# severe: scores or training would be wrong or mean nothing. note: worth knowing.
Severity = Literal["severe", "note"]

# Rows of a split that are counted by number.
MOST_ROWS = 100_000
# A tenth of the rows: what so many of them share is no accident, but says something of how the data was made.
MANY = 0.1
# Where there are fewer rows to judge by, a few of them are a large share, and nothing stops the run.
FEW = 5


@dataclass(frozen=True)
class Finding:
    """Plain JSON.

    check: name of the check. what: in one line, without the rows. advice: what to do about it.
    rows: by split, counted from 1, at most MOST_ROWS of each. twin: the row that the first of them is compared with.
    numbers: what was counted.
    """

    check: str
    severity: Severity
    what: str
    advice: str
    rows: dict[str, list[int]] = field(default_factory=dict)
    twin: dict[str, list[int]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def severity(severe: bool) -> Severity:
    return "severe" if severe else "note"


def places(indices: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    """Indices of rows from 0, as a Finding names them."""
    return {
        split: [int(index) + 1 for index in found[:MOST_ROWS]]
        for split, found in indices.items()
        if len(found)
    }


def count(number: int, what: str = "row") -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
