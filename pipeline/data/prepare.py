"""From source to encoded rows, once, in one process, before anything is written to the outputs.

Everything is kept under a content address: the same data, task and tokenizer are encoded once for all runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.data.columns import task_rows, texts_of
from pipeline.data.encoding import encoded_file, write_encoded, write_facts
from pipeline.data.joining import Joined, joined
from pipeline.data.skipping import Skipping, skipped_text
from pipeline.data.streaming.preparing import look, write_streamed
from pipeline.errors import BadInput, Problem
from pipeline.fetch.cache import entry
from pipeline.runs.freezing import SKIPPED
from pipeline.runs.identity import digest
from pipeline.runs.redaction import redact_text

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.models.checkpoint import Checkpoint, Located
    from pipeline.sources.base import Source
    from pipeline.strategies.base import Strategy
    from pipeline.tasks.base import Head, Task

# Changes when prepared data of older versions must not be read any more.
_FORMAT = 4
# The same of what is counted of the model, and said of it by the strategy.
_COUNTS_FORMAT = 3

HoldOut = Literal["as_trained", "if_none", "never"]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run needs to know of its data and model before it starts. Plain JSON but for the checkpoint.

    folder: the cache entry with ``raw/`` and ``encoded/`` splits.
    rows, examples, tokens, truncated: by split. examples are what is trained on, which may be more than rows (windows
        over long texts) or fewer (several texts in one); tokens are counted after truncation, truncated in examples.
    trainable, total: parameters.
    directions: for each metric whether higher is better.
    skipped: rows that were left out, by what is wrong with them; they are listed in the folder.
    segments: of a mixture, its sources with their training ``rows`` and ``examples``, in the order in which they lie.
    strategy: what the strategy says of itself on this model.
    source: what the data's source says of itself, in one line.
    """

    folder: str
    data_fingerprint: str
    checkpoint: dict[str, Any]
    head: Head
    rows: dict[str, int]
    examples: dict[str, int]
    tokens: dict[str, int]
    truncated: dict[str, int]
    longest: int
    directions: dict[str, bool]
    trainable: int
    total: int
    skipped: dict[str, int] = dataclasses.field(default_factory=dict)
    cached: bool = False
    # Where training rows are streamed: pipeline.data.streaming.facts.StreamFacts, as plain JSON. How many tokens they
    # have and how many are truncated is an estimate then, and each counts as one example.
    stream: dict[str, Any] | None = None
    segments: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    strategy: dict[str, str] = dataclasses.field(default_factory=dict)
    source: str = ""

    def table(self) -> list[tuple[str, str]]:
        """What a person wants to know of it: what, and where or how much."""
        splits = [
            (name, f"{rows_text(self.rows[name], self.examples[name])}, {self.tokens[name]:,} tokens")
            for name in self.rows
        ]
        skipped = [("skipped", skipped_text(self.skipped))] if self.skipped else []
        return [("data", self.folder), ("model", self.checkpoint["folder"]), *splits, *skipped]


def rows_text(rows: int, examples: int) -> str:
    """``1,000 rows``, with the number of examples where it is another."""
    return f"{rows:,} rows" if rows == examples else f"{rows:,} rows in {examples:,} examples"


def prepare(
    *, task: Task, checkpoint: Checkpoint, source: Source, strategy: Strategy, train: bool = True
) -> Prepared:
    """Locate the checkpoint, load, check, split and encode the data, count the parameters.

    Without ``train`` only what is to be scored is encoded. Training rows are still what others are held out of and
    the head's facts are learned from; where there are none, these are learned from the rows that are scored.
    Raises BadInput for everything that is wrong with data or model.
    """
    fingerprint = source.fingerprint()
    located = checkpoint.blueprint(
        checkpoint.locate(),
        digest([_FORMAT, sorted(task.columns), source.rows_only(), fingerprint]),
        lambda: texts_of(task, _training_rows(task, source)),
    )
    _check_room(task, checkpoint, located.folder)
    rows = source.rows_only()
    differently = [*([] if train else ["untrained"]), *([checkpoint.reserved] if checkpoint.reserved else [])]
    key = digest([_FORMAT, task, rows, fingerprint, located.fingerprint, *differently])
    known = {
        "folder": "",
        "data_fingerprint": fingerprint,
        "checkpoint": dataclasses.asdict(located),
        "source": redact_text(source.told()),
    }
    fresh: list[str] = []

    def build_data(folder: Path) -> None:
        fresh.append("data")
        folder.mkdir()
        if (stream := source.stream()) is not None:
            write_streamed(folder, task, source, stream, checkpoint, located)
            return
        config, skipping = checkpoint.config(located.folder), Skipping(task, source, folder / SKIPPED)

        def learn(data: DatasetDict) -> Head:
            return task.learn(_learned_from(data), config)

        def read(part: Source) -> DatasetDict:
            # Rows are drawn of those that can be used; what only a split lacks shows when they are.
            return part.hold_out(skipping.first(learn, task_rows(task, part, training=train)))

        def write(found: Joined) -> dict[str, Any]:
            head = learn(found.data)
            scored = found.data if train else _without_training(found.data)
            return write_encoded(folder, task, checkpoint, located, scored, head, found.sizes)

        facts = skipping.again(write, joined(source, read, task.columns))
        write_facts(folder, {**facts, "skipped": skipping.facts()})

    folder = entry("encoded", key, build_data)
    facts = json.loads((folder / "facts.json").read_text())

    def build_counts(target: Path) -> None:
        counts = _count(task, checkpoint, located, strategy, facts["head"])
        target.write_text(json.dumps(counts))

    counts_file = entry("counts", digest([key, strategy, checkpoint, _COUNTS_FORMAT]), build_counts)
    counts = json.loads(counts_file.read_text())
    return Prepared(**{**known, **facts, **counts, "folder": str(folder)}, cached=not fresh)


def _check_room(task: Task, checkpoint: Checkpoint, folder: str) -> None:
    """Raises BadInput where texts of the length that was asked for leave no room for a strategy's learned tokens."""
    if not checkpoint.reserved or task.max_length is None:
        return
    most = checkpoint.tokenizer(folder).model_max_length
    if task.max_length > most:
        what = f"texts of {task.max_length} tokens leave no room for {checkpoint.reserved} learned ones"
        raise BadInput(Problem("task.max_length", what, f"at most {most}, or null"))


def _training_rows(task: Task, source: Source) -> Dataset:
    """Rows that are trained on, or a sample of those that are streamed."""
    if (stream := source.stream()) is not None:
        return look(stream, task, source)[1]["train"]

    def read(part: Source) -> DatasetDict:
        return part.hold_out(task_rows(task, part, training=True))

    return joined(source, read, task.columns).data["train"]


def prepare_for(
    *, task: Task, checkpoint: Checkpoint, source: Source, head: Head, hold_out: HoldOut
) -> tuple[str, dict[str, Any]]:
    """Encode the evaluation splits of any data for a trained model, with the labels it has learned.

    hold_out: whether splits that the source lacks are held out of its training rows: ``as_trained`` (yes: the
    model never saw them), ``if_none`` (only where the source has no evaluation split at all) or ``never``.
    Returns the cache folder and its facts. Raises BadInput for everything that is wrong with the data.
    """
    located = checkpoint.locate()
    key = digest(
        [_FORMAT, task, source.rows_only(), source.fingerprint(), located.fingerprint, head, hold_out]
    )

    def build(folder: Path) -> None:
        folder.mkdir()
        skipping = Skipping(task, source, folder / SKIPPED)
        found = joined(source, lambda part: _scored_rows(task, part, hold_out), task.columns)
        _without_training(found.data)
        facts = skipping.again(
            lambda found: write_encoded(folder, task, checkpoint, located, found.data, head, found.sizes),
            found,
        )
        write_facts(folder, {**facts, "skipped": skipping.facts()})

    folder = entry("encoded", key, build)
    return str(folder), json.loads((folder / "facts.json").read_text())


def _scored_rows(task: Task, source: Source, hold_out: HoldOut) -> DatasetDict:
    """The splits to evaluate on; see :func:`prepare_for`."""
    data = task_rows(task, source, training=False)
    given = [name for name in data if name != "train"]
    if not given and hold_out == "never":
        what = "has no validation or test rows of its own, and the model was trained on a part of the others"
        raise BadInput(Problem("data", what, "data=files data.test=FILE, or the data as the run had it"))
    if given and hold_out != "as_trained":
        data.pop("train", None)
    data = source.hold_out(data)
    data.pop("train", None)
    return data


def _learned_from(data: DatasetDict) -> DatasetDict:
    from datasets import DatasetDict

    return data if "train" in data else DatasetDict({"train": data[min(data)], **data})


def _without_training(data: DatasetDict) -> DatasetDict:
    """The splits that are scored. Raises BadInput where there are none."""
    from datasets import DatasetDict

    scored = DatasetDict({name: rows for name, rows in data.items() if name != "train"})
    if not scored:
        raise BadInput(Problem("data", "has nothing to evaluate on", "a test split: data.test=FILE"))
    return scored


def load_splits(folder: str, kind: str) -> DatasetDict:
    """The memory-mapped splits of a prepared folder; kind is ``raw`` or ``encoded``."""
    from datasets import Dataset, DatasetDict

    if kind == "encoded":
        facts = json.loads((Path(folder) / "facts.json").read_text())
        return DatasetDict(
            {
                name: Dataset.from_file(str(encoded_file(Path(folder), name)))
                for name in facts["examples"]
                if not (facts.get("stream") and name == "train")
            }
        )
    return DatasetDict.load_from_disk(os.path.join(folder, kind))  # noqa: PTH118 (fsspec wants a string)


def _count(
    task: Task, checkpoint: Checkpoint, located: Located, strategy: Strategy, head: Head
) -> dict[str, Any]:
    """Parameters, from a model without memory; here a strategy that fits nothing is first noticed."""
    model, _ = task.load(checkpoint, located.folder, head, meta=True)
    model = strategy.adapt(model)
    return {
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "total": sum(p.numel() for p in model.parameters()),
        "strategy": strategy.describe(model),
    }
