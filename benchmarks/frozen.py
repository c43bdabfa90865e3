"""What it brings to compute a frozen backbone once: whole runs of a trained head, against HF Trainer.

    python -m benchmarks.frozen [--rows N] [--epochs 10] [--rounds 1] [--threads 1] [--sides 'first run,HF Trainer']

`strategy=frozen_backbone` on the default data with the head that transformers has (`task.pooling=null`), so that both
sides train the same numbers. The sides take turns, each a process of its own from start to exit:

- this program with nothing stored, as a first run; again, with what the first one stored, as later runs; for one epoch;
  and with hardware.feature_cache=off;
- a sweep of 16 heads (learning rates) with nothing stored, jobs beside each other as its launcher has them;
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
FIRST, AGAIN, ONE, OFF = "first run", "later run", "first run of 1 epoch", "feature_cache=off"
SWEEP = "sweep of 16 heads"
TRAINER, GROUPED = "HF Trainer", "HF Trainer by length"
SIDES = (FIRST, AGAIN, TRAINER, ONE, OFF, SWEEP, GROUPED)
COLUMNS = (
    "side",
    "CPU seconds",
    "of the first run",
    "seconds",
    "of the first run",
    "peak MiB",
    "test accuracy",
)
# What the heads of the sweep learn with; the default is one of them.
RATES = (0.02, *(round(0.001 * 1.35**step, 5) for step in range(15)))
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
                if side not in options.sides:
                    continue
                before = cpu_seconds()
                run = act()
                run |= {"cpu_seconds": cpu_seconds() - before}
                run.pop("rows", None)
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

    def sweep() -> dict[str, Any]:
        shutil.rmtree(features, ignore_errors=True)
        rates = ",".join(map(str, RATES))
        words = [
            *given,
            f"trainer.max_epochs={epochs}",
            "-m",
            "hydra/launcher=local",
            "hydra.launcher.jobs=2",
            f"optimizer.lr={rates}",
        ]
        return runs.sweep(words, f"optimizer.lr={RATES[0]}")

    return {
        FIRST: ours(fresh=True),
        AGAIN: ours(),
        TRAINER: lambda: runs.peer(replace(job, group_by_length=False)),
        ONE: ours("trainer.max_epochs=1", fresh=True),
        OFF: ours("hardware.feature_cache=off"),
        SWEEP: sweep,
        GROUPED: lambda: runs.peer(replace(job, group_by_length=True)),
    }


def _check(found: Sequence[dict[str, Any]]) -> None:
    """Raises RuntimeError where sides that should score alike do not."""
    for number in {run["round"] for run in found}:
        score = {run["side"]: 100 * run["accuracy"] for run in found if run["round"] == number}
        ours = {side: score[side] for side in (FIRST, AGAIN, OFF, SWEEP) if side in score}
        if len(set(ours.values())) > 1:
            raise RuntimeError(f"what is stored changes the score: {ours}")
        for side in (TRAINER, GROUPED):
            if side in score and abs(score[side] - score[FIRST]) > _POINTS:
                raise RuntimeError(f"{side} scores {score[side]:.2f}, this program {score[FIRST]:.2f}")


def table(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: medians over rounds, and of ratios within a round."""
    found = result["runs"]
    first = {run["round"]: run for run in found if run["side"] == FIRST}
    rows = []
    for side in dict.fromkeys(run["side"] for run in found):
        mine = [run for run in found if run["side"] == side]
        cells = []
        for what in ("cpu_seconds", "seconds"):
            ratio = median(run[what] / first[run["round"]][what] for run in mine)
            cells += [f"{median(run[what] for run in mine):.0f}", f"{ratio:.2f} ×"]
        memory, score = (median(run[name] for run in mine) for name in ("memory", "accuracy"))
        rows.append((side, *cells, f"{memory / 2**20:,.0f}", f"{100 * score:.2f}"))
    return [*rows, *_sixteen(found)]


def _sixteen(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """One run of Trainer, 16 times, in terms of the sweep, which it would be in its place."""
    swept = {run["round"]: run for run in found if run["side"] == SWEEP}
    rows = []
    for side in (TRAINER, GROUPED):
        mine = [run for run in found if run["side"] == side and run["round"] in swept]
        cells = []
        for what in ("cpu_seconds", "seconds") if mine else ():
            ratio = median(len(RATES) * run[what] / swept[run["round"]][what] for run in mine)
            cells += [f"{len(RATES) * median(run[what] for run in mine):.0f}", f"{ratio:.1f} × the sweep's"]
        rows += [(f"{side}, 16 times", *cells, "", "")] if cells else []
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
    parser.add_argument(
        "--sides", type=lambda text: text.split(","), default=list(SIDES), help="the first run among them"
    )
    options = parser.parse_args(arguments)
    if unknown := [side for side in options.sides if side not in SIDES]:
        parser.error(f"--sides: no {', '.join(unknown)}; there are: {', '.join(SIDES)}")
    if FIRST not in options.sides:
        parser.error(f"--sides: everything is compared with {FIRST!r}")
    return options


if __name__ == "__main__":
    main()
