"""Rows that one prepared run trains on and another is scored on: what the stages of a chain should not have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.columns import texts_within
from pipeline.data.prepare import load_splits
from pipeline.fetch.cache import entry
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from datasets import Dataset

    from pipeline.tasks.base import Task

# A task, and the folder that its rows are prepared in.
Rows = tuple["Task", str]


def seen_before(trained: Rows, scored: Rows) -> dict[str, int]:
    """How many rows of each evaluation split of ``scored`` have nothing but texts that ``trained`` trains on.

    Texts are compared as wholes, up to case and white space, and without what is to be predicted. Counted once, and
    kept in the cache.
    """

    def count(path: Path) -> None:
        train = load_splits(trained[1], "raw").get("train")
        known = set[bytes]().union(*_hashes(trained[0], train)) if train is not None else set()
        splits = load_splits(scored[1], "raw")
        evaluated = {name: rows for name, rows in splits.items() if name != "train"}
        found = {
            name: sum(bool(row) and row <= known for row in _hashes(scored[0], rows))
            for name, rows in evaluated.items()
        }
        path.write_text(json.dumps(found))

    key = digest([[_inputs(task), folder] for task, folder in (trained, scored)])
    return json.loads(entry("overlaps", key, count).read_text())


def _inputs(task: Task) -> list[str]:
    return sorted(set(task.columns) - set(task.targets))


def _hashes(task: Task, rows: Dataset) -> Iterator[set[bytes]]:
    """For each row what stands for its texts; the same for texts that count as equal."""
    for row in rows.select_columns([name for name in _inputs(task) if name in rows.column_names]):
        plain = (" ".join(text.split()).casefold() for text in texts_within(row))
        yield {hashlib.blake2b(text.encode(), digest_size=12).digest() for text in plain if text}
