"""A stream takes the memory of its pools, however many rows go through it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment

# Prepares a run, reads one epoch of its batches, and prints the most memory that this took, in MiB.
READ = """
import resource, sys
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.data.streaming.batches import StreamedBatches, StreamLoader
from pipeline.data.streaming.facts import StreamFacts
from pipeline.launch.ready import get_ready

spec = load(compose(sys.argv[1:]))
ready = get_ready(spec)
batches = StreamedBatches(
    spec.data.stream(), StreamFacts.of(ready.prepared.stream),
    lambda rows: {"label": rows["label"], "length": [len(text) for text in rows["text"]]},
    lambda features: len(features),
    batch_size=32, micro_batch=None, world_size=1, rank=0, seed=0, group_by_length=True,
)
print(sum(StreamLoader(batches, workers=0, seed=0)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory(tiny_bert: Path, tmp_path: Path):
    most = {}
    for count in (10_000, 100_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for n in range(count):
                file.write(json.dumps({"text": f"{n} " + "film " * 80, "label": n % 2}) + "\n")
        keys = ["model=auto", f"model.checkpoint={tiny_bert}", "data=files", f"data.train={path}"]
        keys += ["data.streaming=true", "task.max_length=16", "hardware=cpu", "logger=csv"]
        done = subprocess.run(
            [sys.executable, "-c", READ, *keys],
            env={**environment(), "HYDRATUNE_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        rows, peak = done.stdout.split()
        assert int(rows) == count
        most[count] = float(peak)
    assert (tmp_path / "100000.jsonl").stat().st_size > 40e6
    assert most[100_000] < most[10_000] + 30, most
