"""What has to be known of a stream before training, from one pass over it and a sample of its rows."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.columns import rename_columns
from pipeline.data.encoding import write_encoded
from pipeline.data.streaming.facts import StreamFacts

if TYPE_CHECKING:
    from datasets import DatasetDict

    from pipeline.models.checkpoint import Checkpoint, Located
    from pipeline.sources.base import Source
    from pipeline.sources.reading.stream import FileStream, Scan
    from pipeline.tasks.base import Head, Task

_QUANTILES = {"5%": 0.05, "median": 0.5, "95%": 0.95, "longest": 1.0}


def look(stream: FileStream, task: Task, source: Source) -> tuple[Scan, DatasetDict]:
    """Read the stream once; what was found, and all splits with the task's columns, of ``train`` a sample of rows."""
    from datasets import Dataset

    columns = {role: source.columns.get(role, role) for role in task.columns}
    filled = [role for role, column in task.columns.items() if column.required and not column.may_be_empty]
    found = stream.look(
        classes=[columns[role] for role in task.targets if role in columns],
        filled=[columns[role] for role in filled],
    )
    data = source.load()
    data["train"] = Dataset(found.sample)
    return found, rename_columns(data, task, source)


def write_streamed(
    folder: Path, task: Task, source: Source, stream: FileStream, checkpoint: Checkpoint, located: Located
) -> None:
    """A cache entry as :func:`pipeline.data.encoding.write_encoded` makes it, without any training rows.

    The head's facts are learned from the sample, which is also encoded, to know that it can be and how long rows are.
    Raises BadInput for everything that is wrong with the data.
    """
    from datasets import DatasetDict

    found, data = look(stream, task, source)
    head = task.learn(data, checkpoint.config(located.folder))
    sample = DatasetDict({"train": data.pop("train")})
    folder.mkdir()
    facts, lengths = _encoded(folder / "sample", task, checkpoint, located, sample, head)
    others: dict[str, Any] = {}
    if data:
        others, _ = _encoded(folder, task, checkpoint, located, data, head)
    else:
        for kind in ("raw", "encoded"):
            data.save_to_disk(folder / kind)
    rows, sampled = sum(found.counts), facts["rows"]["train"]
    for name in ("tokens", "truncated"):
        facts[name]["train"] = round(facts[name]["train"] * rows / sampled)
    facts["rows"]["train"] = facts["examples"]["train"] = rows
    together = {
        name: {**value, **others.get(name, {})} if isinstance(value, dict) else value
        for name, value in facts.items()
    }
    together["longest"] = max(facts["longest"], others.get("longest", 0))
    columns = {role: source.columns.get(role, role) for role in task.columns}
    there = set(found.sample.column_names)
    stream_facts = StreamFacts(
        counts=found.counts,
        whole=found.whole,
        columns={role: column for role, column in columns.items() if column in there},
        numbers=found.numbers,
        sampled=sampled,
        lengths=lengths,
    )
    together |= {"head": head, "stream": dataclasses.asdict(stream_facts)}
    (folder / "facts.json").write_text(json.dumps(together, ensure_ascii=False, indent=1))


def _encoded(
    folder: Path, task: Task, checkpoint: Checkpoint, located: Located, data: DatasetDict, head: Head
) -> tuple[dict[str, Any], dict[str, int]]:
    """What is known of splits once they are encoded. Of a stream's sample nothing else is kept."""
    import numpy as np
    from datasets import load_from_disk

    write_encoded(folder, task, checkpoint, located, data, head)
    facts = json.loads((folder / "facts.json").read_text())
    if "train" not in data:
        return facts, {}
    tokens = load_from_disk(str(folder / "encoded"))["train"].with_format("numpy")["length"][:]
    lengths = {name: int(np.quantile(tokens, share)) for name, share in _QUANTILES.items()}
    shutil.rmtree(folder)
    return facts, lengths
