"""Does it learn as well as what a user would pick instead? Accuracy on the default data, side by side.

    python -m benchmarks.quality [--seeds 0,1,2] [--strategies full,lora,frozen_backbone] [--rows N]

Every strategy and seed is one run of this program and one of Hugging Face's Trainer (with PEFT for LoRA):
whole processes that take turns, on the same rows with the same hyperparameters. TF-IDF with logistic
regression is the baseline. Results are written after every run; --resume goes on from what is there.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import runs
from benchmarks.jobs import Job, job_of, overrides
from benchmarks.rows import hashes_of_rows
from benchmarks.stamp import origin, stamp
from benchmarks.summary import COLUMNS, SIDES, markdown, summarize, table
from benchmarks.tfidf import tfidf_accuracy

RESULTS = Path(__file__).parent / "results"
# Settings of a job that say where its files lie here, which means nothing elsewhere.
_PLACES = {"rows", "checkpoint", "seed", "strategy"}


def main(arguments: Sequence[str] | None = None) -> None:
    from datasets import DatasetDict
    from rich.console import Console
    from rich.table import Table

    options = _parse(arguments)
    combinations = [(strategy, seed) for strategy in options.strategies for seed in options.seeds]
    given = {
        pair: [*overrides(*pair, options.rows, options.threads), "trainer.max_epochs=1"]
        for pair in combinations
    }
    jobs = {pair: job_of(given[pair]) for pair in combinations}
    splits = DatasetDict.load_from_disk(jobs[combinations[0]].rows)
    result = _begin(options, jobs, splits)
    for number, pair in enumerate(combinations, start=1):
        for side in SIDES:
            if any((r["strategy"], r["seed"], r["side"]) == (*pair, side) for r in result["runs"]):
                continue
            began = time.strftime("%H:%M:%S")
            run = runs.this_program(given[pair]) if side == SIDES[0] else runs.peer(jobs[pair])
            _check(run, jobs[pair], result["rows"])
            del run["rows"]
            result["runs"].append({"strategy": pair[0], "seed": pair[1], "side": side, **run})
            _write(options.output, result)
            of, score = f"{number}/{len(combinations)}", 100 * run["accuracy"]
            print(
                f"{began} {of} {pair[0]} seed {pair[1]} {side}: {score:.2f} in {run['seconds']:.0f} s",
                flush=True,
            )
    _write(options.output, result)
    shown = Table(*COLUMNS, title="test accuracy, percent", title_justify="left")
    for row in table(result["summary"], result["baseline"]):
        shown.add_row(*row)
    Console(highlight=False).print(shown)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description="Compare with HF Trainer."
    )
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument(
        "--strategies", type=lambda text: text.split(","), default=["full", "lora", "frozen_backbone"]
    )
    parser.add_argument("--rows", type=int, help="only so many rows of every split")
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "quality.json", help="a Markdown file goes beside it"
    )
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")
    return parser.parse_args(arguments)


def _begin(options: argparse.Namespace, jobs: dict[Any, Job], splits: Any) -> dict[str, Any]:
    settings = {
        strategy: {name: value for name, value in asdict(job).items() if name not in _PLACES}
        for (strategy, _), job in jobs.items()
    }
    result = {
        "what": "test accuracy on movie_snippets, mean over seeds, against HF Trainer (+ PEFT)",
        "stamp": stamp(),
        "settings": json.loads(json.dumps(settings)),
        "rows": hashes_of_rows(splits),
        "counts": {name: len(rows) for name, rows in splits.items()},
        "baseline": tfidf_accuracy(splits),
        "runs": [],
    }
    if options.resume and options.output.exists():
        before = json.loads(options.output.read_text())
        for name, known in before["settings"].items():
            if result["settings"].setdefault(name, known) != known or before["rows"] != result["rows"]:
                raise SystemExit(
                    f"{options.output}: {name} was measured with other settings or rows; drop --resume"
                )
        result["runs"] = before["runs"]
    return result


def _check(run: dict[str, Any], job: Job, rows: dict[str, str]) -> None:
    """Raises RuntimeError where a side was not given what the comparison says."""
    if run["rows"] != rows:
        raise RuntimeError(f"other rows: {run['rows']} instead of {rows}")
    if run.get("steps", job.steps) != job.steps:
        raise RuntimeError(f"{run['steps']} steps instead of {job.steps}")


def _write(output: Path, result: dict[str, Any]) -> None:
    result["summary"] = summarize(result["runs"])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    rows = table(result["summary"], result["baseline"])
    counts = ", ".join(f"{count:,} {name}" for name, count in result["counts"].items())
    text = (
        f"# Test accuracy against HF Trainer\n\nPercent, mean ± 95 % interval over seeds; rows: {counts}.\n\n"
    )
    output.with_suffix(".md").write_text(f"{text}{markdown(rows)}\n{origin(result['stamp'])}.\n")


if __name__ == "__main__":
    main()
