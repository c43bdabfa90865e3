"""What has to be known of a stream before training, from one pass over it and a sample of its rows."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.columns import columns_read, rename_columns
from pipeline.data.encoding import encoded_file, write_encoded, write_facts
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
        columns=columns_read(task, source),
    )
    data = source.load_for(columns_read(task, source))
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
    facts, lengths = _of_sample(folder / "sample", task, checkpoint, located, sample, head)
    others = write_encoded(folder, task, checkpoint, located, data, head)
    rows, sampled = sum(found.counts), facts["rows"]["train"]
    for name in ("tokens", "truncated"):
        facts[name]["train"] = round(facts[name]["train"] * rows / sampled)
    facts["rows"]["train"] = facts["examples"]["train"] = rows
    together = {
        name: {**value, **others[name]} if isinstance(value, dict) else value for name, value in facts.items()
    }
    together["longest"] = max(facts["longest"], others["longest"])
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
    write_facts(folder, {**together, "head": head, "stream": dataclasses.asdict(stream_facts)})


def _of_sample(
    folder: Path, task: Task, checkpoint: Checkpoint, located: Located, sample: DatasetDict, head: Head
) -> tuple[dict[str, Any], dict[str, int]]:
    """What is known of the sample once it is encoded, and quantiles of its lengths; nothing else is kept."""
    import numpy as np
    from datasets import Dataset

    folder.mkdir()
    facts = write_encoded(folder, task, checkpoint, located, sample, head)
    encoded = Dataset.from_file(str(encoded_file(folder, "train")))
    tokens = encoded.with_format("numpy")["length"][:]
    lengths = {name: int(np.quantile(tokens, share)) for name, share in _QUANTILES.items()}
    shutil.rmtree(folder)
    return facts, lengths
