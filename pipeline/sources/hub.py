"""Any data set of the Hugging Face hub: ``pipeline.train data=hub data.dataset=stanfordnlp/imdb``."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.fetch.cache import entry
from pipeline.fetch.hub import snapshot, transport_errors
from pipeline.sources.base import Source

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

# Files that every repository has one of; fetching them tells the commit, with and without a network.
_SMALL = ("README.md", ".gitattributes")


@component
class Hub(Source):
    """Rows of a hub data set, pinned to one commit. No code of the data set is ever run.

    ``splits`` maps this program's splits to the data set's: ``{train: train, test: validation}``, also
    ``{validation: "train[90%:]"}``. Null means the split of the same name, if there is one.
    """

    # Hub id: ``name`` or ``owner/name``.
    dataset: str
    # Which of the data set's configurations (subsets).
    name: str | None = None
    # Branch, tag or commit.
    revision: str | None = None
    splits: dict[str, str | None] = Field(
        default_factory=lambda: dict.fromkeys(("train", "validation", "test"))
    )

    # Rows of a hub data set are stored once; to stream its files, data=files reads them by URL.
    streaming: bool = False

    places = ("dataset", "revision")

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        yield from super().conflicts(spec)
        if self.streaming:
            what = f"rows of data=hub are stored once; the files of {self.dataset} can be streamed by URL"
            allowed = f"data=files 'data.train=hf://datasets/{self.dataset}/**/*.parquet' data.streaming=true"
            yield Problem("data.streaming", what, allowed)

    def load(self) -> "DatasetDict":
        from datasets import DatasetDict, load_from_disk

        commit = self.commit()
        key = hashlib.sha256(json.dumps([self.dataset, self.name, commit]).encode()).hexdigest()
        folder = entry("hub-datasets", key, lambda unfinished: self._store(unfinished, commit))
        stored = load_from_disk(str(folder / "rows"))
        chosen: dict[str, Dataset] = {}
        problems: list[Problem] = []
        for split, wanted in self.splits.items():
            try:
                if wanted is not None:
                    chosen[split] = _select(stored, wanted)
                elif split in stored:
                    chosen[split] = stored[split]
            except ValueError as error:
                close = nearest(wanted or "", stored)
                where = f"data.splits.{split}"
                problems.append(Problem(where=where, what=str(error), allowed=listing(stored), nearest=close))
        if not chosen and not problems:
            what = f"{self.dataset} has none of the splits {listing(self.splits)}"
            problems.append(
                Problem(where="data.splits", what=what, allowed=f"a mapping to {listing(stored)}")
            )
        if problems:
            raise BadInput(problems)
        return DatasetDict(chosen)

    def commit(self) -> str:
        """The commit that ``revision`` means now, or meant when it was last seen."""
        return snapshot(
            self.dataset, self.revision, repo_type="dataset", patterns=_SMALL, where="data.dataset"
        )[1]

    def fingerprint(self) -> str:
        """Of the commit, the configuration and the choice of splits."""
        facts = [self.dataset, self.name, self.commit(), self.splits]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        subset = f", {self.name}" if self.name else ""
        return {"source": f"{self.dataset}{subset} (hub, {self.revision or 'main'}, commit {self.commit()})"}

    def _store(self, folder: Path, commit: str) -> None:
        """Write the rows of this commit to ``folder / "rows"``.

        Kept apart from the cache of ``datasets``, which without a network falls back to another commit.
        """
        from datasets import load_dataset
        from datasets.exceptions import DatasetGenerationError

        building = folder / "building"
        failures: tuple[type[Exception], ...] = (
            OSError,
            RuntimeError,
            DatasetGenerationError,
            *transport_errors(),
        )
        try:
            data = load_dataset(self.dataset, self.name, revision=commit, cache_dir=str(building))
            data.save_to_disk(str(folder / "rows"))
        except ValueError as error:  # It names the configurations that there are.
            where = "data.name" if "config" in str(error).lower() else "data.dataset"
            raise BadInput(Problem(where=where, what=f"{self.dataset}, {self.name}: {error}")) from error
        except failures as error:
            what = f"{self.dataset} at commit {commit[:12]} cannot be loaded: {error}"
            raise BadInput(Problem(where="data.dataset", what=what)) from error
        shutil.rmtree(building)


def _select(stored: "DatasetDict", wanted: str) -> "Dataset":
    """``wanted`` is a split's name, with slices and sums as ``datasets`` has them: ``train[:80%]+test``."""
    from datasets import ReadInstruction, concatenate_datasets

    lengths = {name: len(rows) for name, rows in stored.items()}
    parts = ReadInstruction.from_spec(wanted).to_absolute(lengths)
    return concatenate_datasets([stored[part.splitname].select(range(part.from_, part.to)) for part in parts])
