"""How long until something happens: words for help, errors, and the first training step.

    python -m benchmarks.start [--rounds 3] [--rows 400] [--threads N]

Seconds from starting a process to its end, or to the line that says that the first optimizer step is done, after which
it is ended. The sides take turns. Trainer's is the script of benchmarks.hf_trainer with the same rows, model and batch;
rows are new to this program's first run, and prepared in its later one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.jobs import job_of, overrides
from benchmarks.many_runs import write
from benchmarks.runs import ROOT
from benchmarks.stamp import stamp

OUTPUT = Path(__file__).parent / "results/start.json"
COLUMNS = ("what", "seconds", "fastest", "slowest")
FIRST_STEP = "first step done"
TEXT = "# From the command to what it does\n\nSeconds: median, fastest and slowest."


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    settings = {"rows": options.rows, "threads": options.threads}
    result: dict[str, Any] = {"stamp": stamp(), "settings": settings, "runs": []}
    for number in range(options.rounds):
        for what, act in _cases(options).items():
            result["runs"].append({"round": number, "what": what, "seconds": act()})
            print(time.strftime("%H:%M:%S"), what, f"{result['runs'][-1]['seconds']:.2f} s", flush=True)
        write(options.output, result, TEXT, table(result["runs"]), COLUMNS)


def _cases(options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    words = [*overrides("full", 0, options.rows, options.threads), "trainer.max_epochs=3"]
    train = ["pipeline.train", *words]
    return {
        "`python -m pipeline.train --help`": partial(until, ["pipeline.train", "--help"]),
        "`python -m pipeline.train --cfg job`": partial(until, ["pipeline.train", "--cfg", "job"]),
        "a misspelt option is refused": partial(until, ["pipeline.train", "optimizer.lrr=1"], code=2),
        "first step, rows that are new": partial(_first_step, train, fresh=True),
        "first step, prepared rows": partial(_first_step, train),
        "first step, HF Trainer": partial(_trainer, words),
    }


def _first_step(command: Sequence[str], *, fresh: bool = False) -> float:
    with tempfile.TemporaryDirectory() as folder:
        cache = {"HYDRATUNE_CACHE": _without_rows(Path(folder, "cache"))} if fresh else {}
        return until([*command, f"paths.outputs={folder}/runs"], said="step 1/", more=cache)


def _without_rows(folder: Path) -> str:
    """A cache that has the packages of this machine's, and nothing made of them."""
    from pipeline.fetch.cache import cache_folder

    folder.mkdir()
    real = cache_folder() / "packages"
    real.mkdir(parents=True, exist_ok=True)
    (folder / "packages").symlink_to(real)
    return str(folder)


def _trainer(words: list[str]) -> float:
    job = job_of(words)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "job.json")
        given.write_text(json.dumps(asdict(job)))
        return until(["benchmarks.hf_first_step", str(given), f"{folder}/result.json"], said=FIRST_STEP)


def until(
    command: Sequence[str], *, said: str | None = None, code: int = 0, more: dict[str, str] | None = None
) -> float:
    """Seconds until a module says something, or ends with ``code``. Raises RuntimeError where it does not."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **(more or {})}
    start = time.perf_counter()
    began = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    with began:
        assert began.stdout is not None
        for line in began.stdout:
            lines.append(line)
            if said is not None and said in line:
                seconds = time.perf_counter() - start
                began.kill()
                return seconds
    if said is not None or began.returncode != code:
        raise RuntimeError(f"python -m {' '.join(command)}: {began.returncode}\n{''.join(lines)[-4000:]}")
    return time.perf_counter() - start


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`."""
    rows = []
    for what in dict.fromkeys(run["what"] for run in found):
        seconds = [run["seconds"] for run in found if run["what"] == what]
        rows.append((what, *(f"{of(seconds):.1f}" for of in (median, min, max))))
    return rows


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.start", description="How long until it starts."
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often every side has its turn")
    parser.add_argument("--rows", type=int, default=400, help="at most so many rows of every split")
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a Markdown file goes beside it")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds: {options.rounds}: at least 1")
    return options


if __name__ == "__main__":
    main()
