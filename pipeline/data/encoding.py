"""Raw rows to encoded ones, on disk, with what is known of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint, Located
    from pipeline.tasks.base import Head, Task

# Rows that are encoded together.
_ENCODE_BATCH = 1_000


def write_encoded(
    folder: Path,
    task: Task,
    checkpoint: Checkpoint,
    located: Located,
    data: DatasetDict,
    head: Head,
    sizes: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """``raw/`` and ``encoded/`` splits in a cache entry, and ``facts.json`` with what can be counted in them.

    sizes: split -> source -> rows, of a mixture. Nothing is encoded together with what is of another source.
    """
    from datasets import DatasetDict, concatenate_datasets, disable_progress_bars, enable_progress_bars

    tokenizer = checkpoint.tokenizer(located.folder)
    disable_progress_bars()
    try:
        parts = {
            name: [
                _encode(task, rows, part, tokenizer, head)
                for part in _ranges((sizes or {}).get(name) or {"": len(rows)})
            ]
            for name, rows in data.items()
        }
        encoded = DatasetDict({name: concatenate_datasets(found) for name, found in parts.items()})
        data.save_to_disk(folder / "raw")
        encoded.save_to_disk(folder / "encoded")
    finally:
        enable_progress_bars()
    lengths = {name: rows.with_format("numpy")["length"][:] for name, rows in encoded.items()}
    facts = {
        "head": head,
        "rows": {name: len(rows) for name, rows in data.items()},
        "examples": {name: len(rows) for name, rows in encoded.items()},
        "tokens": {name: int(values.sum()) for name, values in lengths.items()},
        "truncated": {
            name: int(rows.with_format("numpy")["truncated"][:].sum()) for name, rows in encoded.items()
        },
        "longest": int(max(values.max() for values in lengths.values())),
        "directions": {"loss": False, **task.directions(head)},
        "segments": {
            source: {"rows": count, "examples": len(part)}
            for (source, count), part in zip(
                ((sizes or {}).get("train") or {}).items(), parts.get("train", []), strict=False
            )
        },
    }
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1))


def _ranges(sizes: Mapping[str, int]) -> Iterator[range]:
    start = 0
    for size in sizes.values():
        yield range(start, start + size)
        start += size


def _encode(
    task: Task, rows: Dataset, part: range, tokenizer: PreTrainedTokenizerBase, head: Head
) -> Dataset:
    """The rows of a part, each with its number in the whole split."""
    return rows.select(part).map(
        lambda batch, numbers: encode_numbered(
            task, batch, [number + part.start for number in numbers], tokenizer, head
        ),
        batched=True,
        with_indices=True,
        batch_size=_ENCODE_BATCH,
        remove_columns=rows.column_names,
        keep_in_memory=False,
        load_from_cache_file=False,
    )


def encode_numbered(
    task: Task,
    batch: Mapping[str, list[Any]],
    numbers: Sequence[int],
    tokenizer: PreTrainedTokenizerBase,
    head: Head,
) -> dict[str, list[Any]]:
    """The task's features of a batch of rows, each with the number of its row in the split."""
    features = task.encode(batch, tokenizer, head)
    features["row"] = [numbers[place] for place in features["row"]] if "row" in features else list(numbers)
    return features
