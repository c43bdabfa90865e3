"""What an audit looks at: rows and features of a run's splits, and what its task says of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from pipeline.data.audit.keys import Keys
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Head, Task

TRAIN = "train"
# Rows that are Python objects at one time.
_CHUNK = 1_000
# Rows of a split that checks of their text look at. More are sampled, so that an audit's cost has a bound; keys and
# lengths are of all rows.
MOST = 200_000


@dataclass(frozen=True)
class Subject:
    """raw: rows by split. encoded: features by split, of the splits that are judged; ``raw`` may have the training
    rows beside them, to compare with."""

    task: Task
    head: Head
    tokenizer: PreTrainedTokenizerBase
    source: Source
    raw: Mapping[str, Dataset]
    encoded: Mapping[str, Dataset]

    @cached_property
    def roles(self) -> list[str]:
        """The columns by which rows are told apart, as far as every split has them."""
        told = self.task.identified_by
        if told is None:
            told = tuple(role for role in self.task.columns if role not in self.task.targets)
        return [role for role in told if all(role in rows.column_names for rows in self.raw.values())]

    @cached_property
    def targets(self) -> list[str]:
        return [
            role
            for role in self.task.targets
            if role not in self.roles and all(role in rows.column_names for rows in self.raw.values())
        ]

    @property
    def quoted(self) -> str:
        """The column by whose text a person finds a row."""
        return self.roles[0] if self.roles else "text"

    @property
    def scored(self) -> list[str]:
        """The judged splits that are evaluated on."""
        return [split for split in self.encoded if split != TRAIN]

    @property
    def judged(self) -> dict[str, Dataset]:
        """Rows of the splits that are judged."""
        return {split: self.raw[split] for split in self.encoded}

    @cached_property
    def keys(self) -> dict[str, Keys]:
        from pipeline.data.audit.keys import keys_of

        return {split: keys_of(self, split) for split in self.raw}

    @cached_property
    def classes(self) -> dict[str, np.ndarray]:
        """The class number of every row, of the splits whose rows have one class each."""
        from datasets import Value

        from pipeline.data.audit.parts import on_disk
        from pipeline.data.audit.tokens import numbers

        found = {}
        for split, features in self.encoded.items():
            kind = features.features.get("label")
            whole = isinstance(kind, Value) and kind.dtype.startswith("int")
            if "labels" in self.head and whole and len(features) == len(self.raw[split]):
                found[split], start = on_disk(len(features), np.int64), 0
                for (some,) in numbers(features, "label"):
                    found[split][start : start + len(some)] = some
                    start += len(some)
        return found

    def sample(self, split: str, most: int = MOST) -> np.ndarray:
        """Indices of all rows of a split, or of ``most`` of them, in order: one drawn from each of as many runs."""
        total = len(self.raw[split])
        if total <= most:
            return np.arange(total)
        ends = np.arange(most + 1) * total // most
        return np.random.default_rng(0).integers(ends[:-1], ends[1:])

    def rows(self, split: str, roles: list[str], indices: np.ndarray | None = None) -> Iterator[list[Any]]:
        """The cells of these roles, row by row."""
        rows = self.raw[split].select_columns(roles)
        if indices is not None and len(indices) < len(rows):
            rows = rows.select(indices)
        for batch in rows.iter(_CHUNK):
            yield from map(list, zip(*(batch[role] for role in roles), strict=True))

    def texts(self, split: str, indices: np.ndarray | None = None) -> Iterator[str]:
        """All that stands in a row, in one text."""
        for cells in self.rows(split, self.roles, indices):
            yield " ".join(map(text_of, cells))


def text_of(cell: Any) -> str:
    """The texts in a cell, one after the other."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Mapping):
        return " ".join(map(text_of, cell.values()))
    if isinstance(cell, list | tuple):
        return " ".join(map(text_of, cell))
    return "" if cell is None else str(cell)
