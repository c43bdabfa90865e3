"""What a run has logged, number by number, from its csv files."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import median

Curve = list[tuple[int, float]]


def curves(run: Path) -> dict[str, Curve]:
    """Name -> (step, value) of everything in logs/csv; empty without that logger. What is not finite is left out."""
    return _read(run / "logs/csv/metrics.csv")


def tokens_per_second(run: Path) -> float | None:
    """The median over the run; None where it was not measured."""
    speeds = _read(run / "logs/csv/timing.csv").get("time/tokens_per_second")
    return median(value for _, value in speeds) if speeds else None


def _read(path: Path) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    if not path.is_file():
        return found
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            # A run that is being written, or was killed, may end inside a line.
            if len(row) == 3 and row[0].isdigit() and math.isfinite(value := _number(row[2])):
                found.setdefault(row[1], []).append((int(row[0]), value))
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def by_metric(found: dict[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Metric -> split -> curve; scores of single classes, and of the test rows, are no curves."""
    splits = sorted(
        (name.removesuffix("/loss") for name in found if name.endswith("/loss")), key=len, reverse=True
    )
    grouped: dict[str, dict[str, Curve]] = {}
    for name, points in found.items():
        split = next((split for split in splits if name.startswith(f"{split}/")), "")
        metric = name.removeprefix(f"{split}/") if split else name
        if "/" not in metric and split.partition("/")[0] != "test" and len(points) > 1:
            grouped.setdefault(metric, {})[split] = points
    return grouped
