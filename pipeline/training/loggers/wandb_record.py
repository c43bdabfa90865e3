"""Reads back what W&B runs have written to disk: the only thing that is sure after a process was killed.

wandb's background process writes a ``.wandb`` file with a delay, and dies with the process that it serves.
"""

import json
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The file is a log in LevelDB's format, behind a header of seven bytes: blocks of 32 KiB, each full of chunks
# with checksum, length and kind before them. https://github.com/google/leveldb/blob/main/doc/log_format.md
BLOCK, FILE_HEADER, CHUNK_HEADER = 32 * 1024, 7, struct.Struct("<IHB")
FULL, FIRST, LAST = 1, 2, 4


def records(path: Path) -> Iterator[Any]:
    """The whole protobuf records (wandb_internal.Record) of a ``.wandb`` file."""
    from wandb.proto import wandb_internal_pb2

    for raw in _messages(path.read_bytes()):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(raw)
        yield record


def last_steps(folder: Path, pattern: str, step_metric: str) -> dict[str, int]:
    """Metric name -> the last step that any W&B run in the folders ``folder/pattern`` has of it on disk."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob(f"{pattern}/*.wandb")):
        for record in records(path):
            if record.HasField("history"):
                names = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                if step_metric in names:
                    step = int(json.loads(names[step_metric]))
                    found |= {name: max(step, found.get(name, -1)) for name in names}
    return found


def wait_for_end(path: Path, seconds: float) -> None:
    """Wait until the record of a finished run is whole: ``finish`` returns some milliseconds before it is."""
    deadline = time.monotonic() + seconds
    while path.is_file() and time.monotonic() < deadline:
        if any(record.HasField("exit") for record in records(path)):
            return
        time.sleep(0.01)


def at_most(steps: Mapping[str, int], limit: int) -> dict[str, int]:
    return {name: min(step, limit) for name, step in steps.items()}


def _messages(content: bytes) -> Iterator[bytes]:
    at, message = FILE_HEADER, b""
    while at + CHUNK_HEADER.size <= len(content):
        if (left := BLOCK - at % BLOCK) < CHUNK_HEADER.size:
            at += left  # Padding: a chunk's header never crosses blocks.
            continue
        _, size, kind = CHUNK_HEADER.unpack_from(content, at)
        at += CHUNK_HEADER.size + size
        if kind == 0 or at > len(content):
            return  # Cut off.
        chunk = content[at - size : at]
        message = chunk if kind in (FULL, FIRST) else message + chunk
        if kind in (FULL, LAST):
            yield message
