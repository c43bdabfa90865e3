"""What it brings to compute a frozen backbone once: whole runs of a trained head, against HF Trainer.

    python -m benchmarks.frozen [--rows N] [--epochs 10] [--rounds 1] [--threads 1]

`strategy=frozen_backbone` on the default data with the head that transformers has (`task.pooling=null`), so that both
sides train the same numbers. The sides take turns, each a process of its own from start to exit:

- this program with nothing stored, as a first run; again, with what the first one stored, as later runs and the jobs
  of a sweep; for one epoch; and with hardware.feature_cache=off;
- Hugging Face's Trainer with frozen weights as it comes, and with batches of similar length, the flag of its own that
  makes it fastest in float32 on a CPU.

Seconds depend on what else the machine does, and so do their ratios; with `--threads 1`, CPU seconds of a process and
of those that it starts are what it would take on an idle core.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import runs
from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.empty_features import empty_features
from benchmarks.jobs import Job, job_of, overrides
from benchmarks.many_runs import write
from benchmarks.stamp import stamp

RESULTS = Path(__file__).parent / "results"
FIRST, AGAIN, ONE, OFF = "first run", "later run", "first run, 1 epoch", "feature_cache=off"
TRAINER, GROUPED = "HF Trainer", "HF Trainer, group_by_length"
COLUMNS = ("side", "CPU seconds", "of the first run", "seconds", "test accuracy")
# Both sides draw their own order, and Trainer leaves dropout on: so far apart two seeds are too.
_POINTS = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    with empty_features() as features:
        given = overrides("frozen_backbone", 0, options.rows, options.threads)
        job = job_of([*given, f"trainer.max_epochs={options.epochs}"])
        result = {
            "what": "seconds of whole runs that train a head on a frozen backbone, movie_snippets, float32",
            "stamp": stamp(),
            "settings": {"rows": options.rows, "epochs": options.epochs, "threads": options.threads},
            "steps": job.steps,
            "runs": [],
        }
        for number in range(options.rounds):
            for side, act in _sides(given, job, options.epochs, features).items():
                before = cpu_seconds()
                run = act()
                run |= {"cpu_seconds": cpu_seconds() - before}
                del run["rows"]
                result["runs"].append({"round": number, "side": side, **run})
                began = time.strftime("%H:%M:%S")
                took = f"{run['seconds']:.0f} s, {run['cpu_seconds']:.0f} CPU s"
                print(f"{began} {side}: {took}, {100 * run['accuracy']:.2f}", flush=True)
                _write(options.output, result)
    _check(result["runs"])


def _sides(
    given: list[str], job: Job, epochs: int, features: Path
) -> dict[str, Callable[[], dict[str, Any]]]:
    def ours(*more: str, fresh: bool = False) -> Callable[[], dict[str, Any]]:
        def act() -> dict[str, Any]:
            if fresh:
                shutil.rmtree(features, ignore_errors=True)
            return runs.this_program([*given, f"trainer.max_epochs={epochs}", *more])

        return act

    return {
        FIRST: ours(fresh=True),
        AGAIN: ours(),
        TRAINER: lambda: runs.hf_trainer(replace(job, group_by_length=False)),
        ONE: ours("trainer.max_epochs=1", fresh=True),
        OFF: ours("hardware.feature_cache=off"),
        GROUPED: lambda: runs.hf_trainer(replace(job, group_by_length=True)),
    }


def _check(found: Sequence[dict[str, Any]]) -> None:
    """Raises RuntimeError where sides that should score alike do not."""
    for number in {run["round"] for run in found}:
        score = {run["side"]: 100 * run["accuracy"] for run in found if run["round"] == number}
        if not score[FIRST] == score[AGAIN] == score[OFF]:
            raise RuntimeError(f"what is stored changes the score: {score}")
        for side in (TRAINER, GROUPED):
            if abs(score[side] - score[FIRST]) > _POINTS:
                raise RuntimeError(f"{side} scores {score[side]:.2f}, this program {score[FIRST]:.2f}")


def table(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: medians over rounds, of seconds and of the ratio of CPU seconds within a round."""
    found = result["runs"]
    first = {run["round"]: run["cpu_seconds"] for run in found if run["side"] == FIRST}
    rows = []
    for side in dict.fromkeys(run["side"] for run in found):
        mine = [run for run in found if run["side"] == side]
        ratio = median(run["cpu_seconds"] / first[run["round"]] for run in mine)
        cpu, seconds, score = (
            median(run[name] for run in mine) for name in ("cpu_seconds", "seconds", "accuracy")
        )
        rows.append((side, f"{cpu:.0f}", f"{ratio:.2f} ×", f"{seconds:.0f}", f"{100 * score:.2f}"))
    return rows


def _write(output: Path, result: dict[str, Any]) -> None:
    settings = result["settings"]
    rows = f"{settings['rows']:,} rows of each split" if settings["rows"] else "all rows"
    text = (
        f"# A frozen backbone, computed once\n\n{settings['epochs']} epochs on movie_snippets, {rows}, MiniLM; whole "
        f"processes, threads: {settings['threads'] or 'all'}. The machine may have done other work: compare CPU "
        f"seconds."
    )
    write(output, result, text, table(result), COLUMNS)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frozen", description="A frozen backbone, once."
    )
    parser.add_argument("--rows", type=int, help="only so many rows of every split")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1, help="how often every side has its turn")
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "frozen.json", help="a Markdown file goes beside it"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
