"""Raw rows to encoded ones, on disk, with what is known of them."""

from __future__ import annotations

import json
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.arrow_parts import ArrowParts
from pipeline.data.origins import visible
from pipeline.data.parallel import cores, ordered
from pipeline.data.refused import ENOUGH, Refused, refused_rows, told
from pipeline.data.waiting import Waiting
from pipeline.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint, Located
    from pipeline.tasks.base import Head, Task

# Rows that are encoded together, and bytes of them: the features of a thousand long texts would take a gigabyte.
ROWS, BYTES = 1_000, 4_000_000
# Bytes of a split from which on more than one process pays.
LARGE = 16_000_000

Span = tuple[int, int]


def write_encoded(
    folder: Path,
    task: Task,
    checkpoint: Checkpoint,
    located: Located,
    data: DatasetDict,
    head: Head,
    sizes: Mapping[str, Mapping[str, int]] | None = None,
    *,
    processes: int | None = None,
) -> dict[str, Any]:
    """``raw/`` and ``encoded/`` splits in a cache entry; the facts that can be counted in them.

    sizes: split -> source -> rows, of a mixture. Nothing is encoded together with what is of another source.
    processes: None: as many as there are cores, where there is enough to do. What is written does not depend on it.
    Raises BadInput for rows that the task refuses.
    """
    from datasets import DatasetDict, disable_progress_bars, enable_progress_bars

    tokenizer = checkpoint.tokenizer(located.folder)
    disable_progress_bars()
    try:
        # Chosen rows are brought into their order once, and then read from one end to the other.
        for again in ("raw", "encoded"):
            shutil.rmtree(folder / again, ignore_errors=True)
        data.save_to_disk(folder / "raw")
        raw = DatasetDict.load_from_disk(str(folder / "raw"))
    finally:
        enable_progress_bars()
    (folder / "encoded").mkdir()
    refused: list[Refused] = []
    counts: dict[str, Counts] = {}
    segments = (sizes or {}).get("train", {})
    with Waiting("encode", sum(map(len, raw.values())), "rows") as waiting:
        for split, stored in raw.items():
            rows = stored.select_columns(visible(stored.column_names))
            encode = Encoder(task, tokenizer, head, rows, split)
            number = processes or (cores() if rows.data.nbytes >= LARGE else 1)
            parts = list((sizes or {}).get(split, {"": len(rows)}).values())
            counts[split] = _write_split(encoded_file(folder, split), encode, parts, number, waiting, refused)
    if refused:
        raise BadInput(told(refused, data, next(iter(task.columns))))
    return {
        "head": head,
        "rows": {name: len(rows) for name, rows in data.items()},
        "examples": {name: count.examples for name, count in counts.items()},
        "tokens": {name: count.tokens for name, count in counts.items()},
        "truncated": {name: count.truncated for name, count in counts.items()},
        "longest": max((count.longest for count in counts.values()), default=0),
        "directions": {"loss": False, **task.directions(head)},
        "segments": {
            source: {"rows": rows, "examples": examples}
            for (source, rows), examples in zip(
                segments.items(), counts["train"].parts if segments else (), strict=True
            )
        },
    }


def encoded_file(folder: Path, split: str) -> Path:
    return folder / "encoded" / f"{split}.arrow"


@dataclass
class Counts:
    """Of the encoded rows of a split; ``parts``: examples of each of its sources."""

    parts: list[int]
    examples: int = 0
    tokens: int = 0
    truncated: int = 0
    longest: int = 0

    def add(self, table: pa.Table, part: int) -> None:
        import pyarrow.compute as pc

        self.examples += table.num_rows
        self.parts[part] += table.num_rows
        if table.num_rows:
            self.tokens += pc.sum(table["length"]).as_py()
            self.truncated += pc.sum(table["truncated"]).as_py()
            self.longest = max(self.longest, pc.max(table["length"]).as_py())


def _write_split(
    target: Path,
    encode: Encoder,
    parts: Sequence[int],
    processes: int,
    waiting: Waiting,
    refused: list[Refused],
) -> Counts:
    """parts: rows of each source, which follow each other."""
    written, counts = ArrowParts(target), Counts([0] * len(parts))
    ends = list(accumulate(parts))
    spans = [span for part in pairwise([0, *ends]) for span in spans_of(encode.rows, *part)]
    for (start, stop), found in zip(spans, ordered(encode, spans, processes), strict=True):
        if isinstance(found, list):
            refused += found
        elif not refused:
            written.add(found)
            counts.add(found, bisect_right(ends, start))
        waiting.advance(stop - start)
        if len(refused) > max(ENOUGH, stop // 2):
            break
    written.join() if not refused else written.close()
    return counts


def spans_of(rows: Dataset, start: int = 0, stop: int | None = None) -> Iterator[Span]:
    """What is encoded together: it depends on the rows alone, as tasks that pack texts pack those of one span."""
    stop = len(rows) if stop is None else stop
    for first in range(start, stop, ROWS):
        yield from _halved(rows, first, min(first + ROWS, stop))


def _halved(rows: Dataset, start: int, stop: int) -> Iterator[Span]:
    """In halves, and these again, until a part has few bytes or one row."""
    if stop - start > 1 and rows.data.slice(start, stop - start).nbytes > BYTES:
        middle = (start + stop) // 2
        yield from _halved(rows, start, middle)
        yield from _halved(rows, middle, stop)
    else:
        yield start, stop


@dataclass(frozen=True)
class Encoder:
    """Encodes spans of a split's rows."""

    task: Task
    tokenizer: PreTrainedTokenizerBase
    head: Head
    rows: Dataset
    split: str

    def __call__(self, span: Span) -> pa.Table | list[Refused]:
        """The features, or the rows that the task refuses."""
        start, stop = span
        batch = self.rows[start:stop]
        try:
            features = self._numbered(batch, range(start, stop))
        except BadInput as bad:
            return refused_rows(bad, batch, self._encode_one, self.split, start)
        return _table(features)

    def _numbered(self, batch: Mapping[str, list[Any]], numbers: Sequence[int]) -> dict[str, list[Any]]:
        """The task's features of a batch of rows, each with the number of its row in the split."""
        encode = self.task.encode_training if self.split == "train" else self.task.encode
        features = encode(batch, self.tokenizer, self.head)
        features["row"] = (
            [numbers[place] for place in features["row"]] if "row" in features else list(numbers)
        )
        return features

    def _encode_one(self, row: Mapping[str, list[Any]]) -> None:
        self.task.encode(row, self.tokenizer, self.head)


def _table(features: Mapping[str, Sequence[Any]]) -> pa.Table:
    import pyarrow as pa
    from datasets.arrow_writer import OptimizedTypedSequence

    # Masks take a byte a token, and token numbers four.
    return pa.table(
        {name: pa.array(OptimizedTypedSequence(cells, col=name)) for name, cells in features.items()}
    )


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1))
