"""Preparing more rows takes more disk, and hardly more memory."""

import subprocess
import sys
from pathlib import Path

import pytest

# Reads, divides and counts the labels of a file; prints the most anonymous memory that this took, in bytes.
CHILD = """
import sys, threading, time
import datasets, pyarrow, sklearn.model_selection
from pipeline.data.cells import distinct
from pipeline.data.origins import without_origins
from pipeline.sources.files import Files
from pipeline.tasks.classification.labels import LabelColumn

def anonymous():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) * 1024

most = 0
def watch():
    global most
    while True:
        most = max(most, anonymous())
        time.sleep(0.01)

before = anonymous()
threading.Thread(target=watch, daemon=True).start()
source = Files(train=sys.argv[1])
data = source.hold_out(source.load())
for rows in data.values():
    LabelColumn(distinct(rows, "label"))
datasets.disable_progress_bars()
without_origins(data).save_to_disk(sys.argv[2])
print(len(data["train"]), most - before)
"""


def took(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / f"cache-{path.name}"))
    arguments = [sys.executable, "-c", CHILD, str(path), str(tmp_path / f"raw-{path.name}")]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) > 1_000
    return int(said[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
def test_memory_grows_by_a_few_bytes_a_row(tmp_path: Path, monkeypatch):
    few, many, text = 5_000, 150_000, "a text of about fifty characters more or less"
    for count in (few, many):
        rows = (f"{text} {i},{'pos' if i % 3 else 'neg'}\n" for i in range(count))
        (tmp_path / f"{count}.csv").write_text("text,label\n" + "".join(rows))
    small = took(tmp_path / f"{few}.csv", tmp_path, monkeypatch)
    large = took(tmp_path / f"{many}.csv", tmp_path, monkeypatch)
    # Read as Python objects a row of this file takes more than 300 bytes.
    assert large - small < 100 * (many - few)
