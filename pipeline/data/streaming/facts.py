"""What is known of a stream before it is trained on."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class StreamFacts:
    """Plain JSON.

    counts: rows of each file that was looked at. whole: whether these are all rows.
    columns: role -> column, of the roles that the data has. numbers: column -> type, of those of csv read as numbers.
    sampled: rows that were encoded to know the others. lengths: tokens of their features, by quantile.
    """

    counts: list[int]
    whole: bool
    columns: dict[str, str]
    numbers: dict[str, str]
    sampled: int
    lengths: dict[str, int]

    @classmethod
    def of(cls, written: dict[str, Any]) -> StreamFacts:
        """From a manifest or a cache entry."""
        return cls(**{name: value for name, value in written.items() if name != "_target_"})

    def text(self) -> str:
        """For a plan."""
        rows, files = sum(self.counts), len(self.counts)
        known = f"{rows:,} rows" if self.whole else f"more than {rows:,} rows"
        where = f" in {files:,} files" if files > 1 else ""
        lengths = ", ".join(f"{name} {tokens}" for name, tokens in self.lengths.items())
        return f"{known}{where}, none stored; tokens of {self.sampled:,} of them: {lengths}"
