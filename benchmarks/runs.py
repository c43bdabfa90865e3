"""Whole processes of both sides, timed from start to exit."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.cpu_seconds import orphans_too
from benchmarks.jobs import Job

ROOT = Path(__file__).parents[1]
# Of resident memory: Linux counts KiB, macOS bytes.
_MAXRSS = 1 if sys.platform == "darwin" else 1024


def this_program(overrides: Sequence[str]) -> dict[str, Any]:
    """One run of `python -m pipeline.train`: accuracy, seconds, and the rows that it was given."""
    from datasets import DatasetDict

    from benchmarks.rows import hashes_of_rows

    with tempfile.TemporaryDirectory() as folder:
        took = used(["pipeline.train", *overrides, f"paths.outputs={folder}"])
        (written,) = Path(folder).glob("*/*/*/metrics.json")
        metrics = json.loads(written.read_text())
        prepared = json.loads((written.parent / "manifest.json").read_text())["prepared"]
    return {
        "accuracy": metrics["test/accuracy"],
        "validation_accuracy": metrics["val/accuracy"],
        "trainable": prepared["trainable"],
        "rows": hashes_of_rows(DatasetDict.load_from_disk(f"{prepared['folder']}/raw")),
        **took.said(),
    }


def sweep(words: Sequence[str], looked_at: str) -> dict[str, Any]:
    """A sweep (`-m`) of this program; the accuracy is that of the job whose last override is `looked_at`."""
    with tempfile.TemporaryDirectory() as folder:
        with orphans_too():
            took = used(["pipeline.train", *words, f"paths.outputs={folder}"])
        (board,) = Path(folder).glob("sweeps/*/leaderboard.csv")
        with board.open(newline="") as file:
            jobs = list(csv.DictReader(file))
    (job,) = (job for job in jobs if looked_at in job["overrides"].split())
    return {"accuracy": float(job["test/accuracy"]), "jobs": len(jobs), **took.said()}


def peer(job: Job, module: str = "benchmarks.hf_trainer") -> dict[str, Any]:
    """The same with Hugging Face's Trainer, or with another module that takes such a job."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "job.json"), Path(folder, "result.json")
        given.write_text(json.dumps(asdict(job)))
        took = used([module, str(given), str(result)], threads=job.threads)
        return {**json.loads(result.read_text()), **took.said()}


def process(arguments: Sequence[str], threads: int | None = None) -> float:
    """Seconds that a module took as a process of its own. Raises RuntimeError with its last output."""
    return used(arguments, threads).seconds


@dataclass(frozen=True)
class Used:
    """By a process and those that it waited for: seconds, of the clock and of processors; bytes of the largest one."""

    seconds: float
    cpu_seconds: float
    memory: int

    def said(self) -> dict[str, float]:
        return asdict(self)


def used(
    arguments: Sequence[str], threads: int | None = None, variables: Mapping[str, str] | None = None
) -> Used:
    """What a module used as a process of its own, with more variables in its environment. Raises RuntimeError with its
    last output."""
    found = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(found), "HF_HUB_OFFLINE": "1"}
    environment |= variables or {}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        begun = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        # The usage of this process and those that it has waited for, which `subprocess` does not tell.
        _, status, usage = os.wait4(begun.pid, 0)
        seconds = time.perf_counter() - start
        begun.returncode = os.waitstatus_to_exitcode(status)
        if begun.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"python -m {' '.join(arguments)} failed:\n{last}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS)
