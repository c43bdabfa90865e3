"""Is it faster than what a user would pick instead? Whole processes, from the command to the saved model.

    python -m benchmarks.speed [--cases full,lora] [--rows N] [--rounds 1] [--threads 1] [--ablation] [--resume]

Each case is one run of this program and of Hugging Face's Trainer (with PEFT for LoRA), as it comes and with the flags
that make it fastest: batches of similar length, and bf16 where the machine is fast at it, which this program finds out
by itself; and of plain PyTorch Lightning. The sides take turns, with the same rows, steps and hyperparameters, and must
score alike. Seconds depend on what else the machine does; with --threads 1, CPU seconds are what a run would take on an
idle core. Peaks are of resident memory, of the largest process.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import runs
from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.empty_features import empty_features
from benchmarks.jobs import job_of, overrides
from benchmarks.many_runs import write
from benchmarks.stamp import stamp

RESULTS = Path(__file__).parent / "results"
OURS, AS_IT_COMES, BEST = "hydratune", "HF Trainer as it comes", "HF Trainer at its best"
LIGHTNING = "plain Lightning"
# What is said of a side, in terms of this program.
COMPARED = ("side", "seconds", "times hydratune's", "CPU seconds", "times hydratune's", "peak MiB")
COLUMNS = ("case", *COMPARED, "test accuracy")
# Both sides draw their own order and masks: so far apart two seeds are too.
_POINTS = 5.0


@dataclass(frozen=True)
class Case:
    """about: what the table says of it. words: what a run has beside the defaults. without: what is turned off for
    --ablation. rows: of every split, at most, unless --rows says otherwise."""

    about: str
    strategy: str
    words: tuple[str, ...]
    without: dict[str, tuple[str, ...]]
    rows: int = 1_600


_UNGROUPED, _SLOW_DROPOUT = "trainer.group_by_length=false", "trainer.quick_dropout=false"
_WITHOUT = {
    "hydratune without batches of like length": (_UNGROUPED,),
    "hydratune without quick dropout": (_SLOW_DROPOUT,),
    "hydratune without either": (_UNGROUPED, _SLOW_DROPOUT),
}
_ONCE = {"hydratune without stored features": ("hardware.feature_cache=off",)}
_LONG = ("data=bbc_news", "task.max_length=256")
CASES = {
    "full": Case("full, short texts, 3 epochs", "full", ("trainer.max_epochs=3",), _WITHOUT),
    "full_256": Case("full, 256 tokens, 3 epochs", "full", (*_LONG, "trainer.max_epochs=3"), _WITHOUT, 256),
    "lora": Case("LoRA, short texts, 3 epochs", "lora", ("trainer.max_epochs=3",), _WITHOUT),
    "frozen": Case("frozen backbone, 10 epochs", "frozen_backbone", ("trainer.max_epochs=10",), _ONCE),
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result: dict[str, Any] = {
        "stamp": stamp(),
        "settings": {"rows": options.rows, "threads": options.threads},
        "runs": [],
    }
    if options.resume and options.output.exists():
        before = json.loads(options.output.read_text())
        if before["settings"] != result["settings"]:
            raise SystemExit(f"{options.output} was measured with {before['settings']}; drop --resume")
        result["runs"] = before["runs"]
    known = {(run["round"], run["case"], run["side"]) for run in result["runs"]}
    for number in range(options.rounds):
        for name in options.cases:
            for side, act in sides(CASES[name], options).items():
                if (number, name, side) in known:
                    continue
                before_it = cpu_seconds()
                run = act()
                run |= {"cpu_seconds": cpu_seconds() - before_it}
                run.pop("rows", None)
                result["runs"].append({"round": number, "case": name, "side": side, **run})
                took = f"{run['seconds']:.0f} s, {run['cpu_seconds']:.0f} CPU s"
                print(
                    f"{time.strftime('%H:%M:%S')} {name}, {side}: {took}, {100 * run['accuracy']:.2f}",
                    flush=True,
                )
                _write(options.output, result)
    check(result["runs"])


def sides(case: Case, options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    """What to call for each side, in the order in which they take turns."""
    words = [*overrides(case.strategy, 0, options.rows or case.rows, options.threads), *case.words]
    words += ["hardware.precision=auto"]
    job = job_of(words)
    plain = replace(job, group_by_length=False, bf16=False)
    return {
        OURS: partial(_alone, words),
        AS_IT_COMES: lambda: runs.peer(plain),
        BEST: lambda: runs.peer(replace(job, group_by_length=True)),
        LIGHTNING: lambda: runs.peer(plain, "benchmarks.plain_lightning"),
        **{
            name: partial(_alone, [*words, *more])
            for name, more in (case.without if options.ablation else {}).items()
        },
    }


def _alone(words: Sequence[str]) -> dict[str, Any]:
    """A run that finds nothing stored of a frozen backbone."""
    with empty_features():
        return runs.this_program(words)


def check(found: Sequence[dict[str, Any]]) -> None:
    """Raises RuntimeError where sides that should score alike do not."""
    for name in dict.fromkeys(run["case"] for run in found):
        means = {
            side: 100 * median(run["accuracy"] for run in found if (run["case"], run["side"]) == (name, side))
            for side in dict.fromkeys(run["side"] for run in found if run["case"] == name)
        }
        if max(means.values()) - min(means.values()) > _POINTS:
            raise RuntimeError(f"{name}: other scores: {means}")


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: medians over rounds, of ratios within a round."""
    of = {(run["round"], run["case"], run["side"]): run for run in found}
    rows = []
    for name, side in dict.fromkeys((run["case"], run["side"]) for run in found):
        pairs = [
            (run, of[number, name, OURS])
            for (number, case, who), run in of.items()
            if (case, who) == (name, side) and (number, name, OURS) in of
        ]
        if not pairs:
            continue
        shown = []
        for what in ("seconds", "cpu_seconds"):
            shown.append(f"{median(run[what] for run, _ in pairs):.0f}")
            shown.append(f"{median(run[what] / ours[what] for run, ours in pairs):.2f} ×")
        memory, accuracy = (median(run[what] for run, _ in pairs) for what in ("memory", "accuracy"))
        rows.append((CASES[name].about, side, *shown, f"{memory / 2**20:,.0f}", f"{100 * accuracy:.2f}"))
    return rows


def _write(output: Path, result: dict[str, Any]) -> None:
    settings = result["settings"]
    cases = {run["case"]: settings["rows"] or CASES[run["case"]].rows for run in result["runs"]}
    rows = ", ".join(f"{CASES[name].about}: {count:,}" for name, count in cases.items())
    text = (
        f"# Whole runs against HF Trainer\n\nMiniLM; at most so many rows of each split: {rows}. Threads: "
        f"{settings['threads'] or 'all'}. From the command to the saved model; this program also reloads it in a "
        f"fresh process and compares."
    )
    write(output, result, text, table(result["runs"]), COLUMNS)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="Whole runs, against HF Trainer."
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--rows", type=int, help="at most so many rows of every split, in all cases")
    parser.add_argument("--rounds", type=int, default=1, help="how often every side has its turn")
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument(
        "--ablation", action="store_true", help="also this program without what makes it fast"
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "speed.json", help="a Markdown file goes beside it"
    )
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"--cases: no {', '.join(unknown)}; there are: {', '.join(CASES)}")
    return options


if __name__ == "__main__":
    main()
