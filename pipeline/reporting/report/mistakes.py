"""Test rows that the model got most wrong, from predictions/test.jsonl."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

SHOWN = 20
# A page is about to be read: of millions of predictions the first have to do.
_LOOKED_AT = 200_000
_LONGEST = 400

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Examples:
    """title: what they are. rows: cells by column, all text. looked_at: how many were, wrong: how many of them are
    wrong, None where that is no question of right or wrong."""

    title: str
    rows: list[dict[str, str]]
    looked_at: int
    wrong: int | None = None


def worst(path: Path) -> Examples | None:
    """The worst mistakes first; of predictions that cannot be compared with an answer the first rows as they are.

    None without predictions.
    """
    if not path.is_file():
        return None
    first = next(_rows(path), None)
    if first is None:
        return None
    judged = _judge(first)
    if judged is None:
        rows = list(islice(_rows(path), SHOWN))
        return Examples("Test rows and what the model says of them", [_cells(row) for row in rows], len(rows))
    badness, title, exact = judged
    looked, wrong = 0, 0
    kept: list[tuple[float, int, Row]] = []
    for number, row in enumerate(islice(_rows(path), _LOOKED_AT)):
        looked += 1
        if (bad := badness(row)) is None or bad <= 0:
            continue
        wrong += 1
        entry = (bad, -number, row)
        if len(kept) < SHOWN:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    rows = [row for _, _, row in sorted(kept, key=lambda entry: (-entry[0], -entry[1]))]
    return Examples(title, [_cells(row) for row in rows], looked, wrong if exact else None)


def _judge(row: Row) -> tuple[Callable[[Row], float | None], str, bool] | None:
    """How bad a prediction of this form is, what such rows are called, and whether each is right or wrong."""
    said = row["prediction"]
    if "label" in row and "value" in said:
        return _distance, "Test rows that the model is farthest from", False
    if "label" in row and "label" in said:
        return _confidence, "Worst mistakes: wrong, and most sure of it", True
    if isinstance(row.get("label"), list) and "labels" in said:
        return _differing, "Worst mistakes: most labels wrong", True
    return None


def _distance(row: Row) -> float | None:
    try:
        return abs(float(row["label"]) - float(row["prediction"]["value"]))
    except (TypeError, ValueError):
        return None


def _confidence(row: Row) -> float | None:
    said = row["prediction"]
    if str(said["label"]) == str(row["label"]):
        return None
    scores = said.get("scores")
    right = scores.get(str(row["label"]), 0.0) if isinstance(scores, Mapping) else 0.0
    return 1e-9 + float(said.get("score") or 0.0) - right


def _differing(row: Row) -> float | None:
    return float(len(set(map(str, row["label"])) ^ set(map(str, row["prediction"]["labels"]))))


def _cells(row: Row) -> dict[str, str]:
    given = {name: _text(value) for name, value in row.items() if name != "prediction"}
    said = {
        f"predicted {name}": _text(value)
        for name, value in row["prediction"].items()
        if not isinstance(value, Mapping)
    }
    return {**given, **said}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if isinstance(row.get("prediction"), Mapping):
                yield row
