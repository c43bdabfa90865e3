"""Eight labelled texts of each class: what do two stages (contrast, then a head) bring over plain fine-tuning?

    python -m benchmarks.few_shot --data FOLDER [--seeds 0,1,2] [--jobs 2] [--resume] [key=value …]

FOLDER holds SST-2 and TREC-6 as benchmarks/README.md says. A seed draws the labelled texts and everything else. Every
variant has the same ones, no validation data, and is scored on the same test rows. Results are written after every
run; --resume goes on from what is there. Overrides are for all runs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.many_runs import add_words, at_once, runs_of, write
from benchmarks.runs import process
from benchmarks.stamp import stamp
from benchmarks.summary import markdown, mean_and_interval

RESULTS = Path(__file__).parent / "results"
# Folder, training file, test file.
SETS = {
    "sst2": ("glue_sst2", "train.jsonl", "validation.jsonl"),
    "trec6": ("trec6", "train.jsonl", "test_dedup.jsonl"),
}
_PLAIN = (
    "task=text_classification",
    "task.max_length=128",
    "data.examples_per_class=8",
    "data.split.validation=0",
)
# As the paper of SetFit fine-tunes what it compares itself with (Tunstall et al. 2022, arXiv:2209.11055, appendix).
_FIFTY = ("trainer.max_epochs=50", "trainer.batch_size=16")
TWO_STAGES = "contrast → head"
VARIANTS = {
    "full, as it comes": (*_PLAIN, "strategy=full"),
    "full, 50 epochs": (*_PLAIN, *_FIFTY, "strategy=full"),
    "full, 50 epochs, lr 1e-4": (*_PLAIN, *_FIFTY, "strategy=full", "optimizer.lr=1e-4"),
    "frozen_backbone, 50 epochs": (*_PLAIN, *_FIFTY, "strategy=frozen_backbone"),
    TWO_STAGES: ("stages=[contrast,head]",),
}
TEXT = "# Eight texts of each class\n\nTest accuracy in percent, mean ± 95 % interval over seeds."
COLUMNS = ("data", "variant", "test accuracy", "two stages are better by (points)", "seeds")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result: dict[str, Any] = {"stamp": stamp(), "overrides": options.overrides, "runs": runs_of(options)}
    known = {(run["data"], run["variant"], run["seed"]) for run in result["runs"]}
    wanted = [
        (name, variant, seed)
        for seed, name, variant in product(options.seeds, SETS, VARIANTS)
        if (name, variant, seed) not in known
    ]
    act = partial(train, options.data, options.overrides)
    for (name, variant, seed), run in at_once(options.jobs, act, wanted):
        result["runs"].append({"data": name, "variant": variant, "seed": seed, **run})
        write(options.output, result, TEXT, table(result["runs"]), COLUMNS)
        said = f"{name}, {variant}, seed {seed}: {run['accuracy']:.4f}"
        print(f"{time.strftime('%H:%M:%S')} {said}", flush=True)
    print(markdown(table(result["runs"]), COLUMNS))


def train(data: Path, overrides: Sequence[str], name: str, variant: str, seed: int) -> dict[str, Any]:
    """Test accuracy, optimizer steps of the last stage, and seconds of the whole process."""
    folder, train_file, test_file = SETS[name]
    files = [
        f"data.{split}={data.absolute() / folder / file}"
        for split, file in zip(("train", "test"), (train_file, test_file), strict=True)
    ]
    with tempfile.TemporaryDirectory() as outputs:
        given = ["data=files", *files, f"seed={seed}", f"data.examples_seed={seed}", "logger=none"]
        given += ["hardware=cpu", f"paths.outputs={outputs}", *overrides]
        seconds = process(["pipeline.train", *VARIANTS[variant], *given])
        (written,) = Path(outputs).glob("text_classification/*/*/metrics.json")
        metrics = json.loads(written.read_text())
    return {"accuracy": metrics["test/accuracy"], "steps": metrics["total_steps"], "seconds": seconds}


def table(runs: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: means and 95 % intervals over seeds, differences of the same seeds."""
    points: dict[tuple[str, str], dict[int, float]] = {}
    for run in runs:
        points.setdefault((run["data"], run["variant"]), {})[run["seed"]] = 100 * run["accuracy"]
    rows = []
    for name, variant in product(SETS, VARIANTS):
        if not (mine := points.get((name, variant))):
            continue
        ours = points.get((name, TWO_STAGES), {}) if variant != TWO_STAGES else {}
        gains = [ours[seed] - value for seed, value in mine.items() if seed in ours]
        shown = _shown(list(mine.values()))
        rows.append((name, variant, shown, _shown(gains, "+") if gains else "", str(len(mine))))
    return rows


def _shown(values: Sequence[float], sign: str = "") -> str:
    mean, half = mean_and_interval(values)
    return f"{mean:{sign}.1f}" + (f" ± {half:.1f}" if half is not None else "")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_shot", description="Few labelled texts.")
    add_words(parser, RESULTS / "few_shot.json")
    options = parser.parse_intermixed_args(arguments)
    if missing := [folder for folder, *_ in SETS.values() if not (options.data / folder).is_dir()]:
        parser.error(f"--data: no {', '.join(missing)} in {options.data}")
    return options


if __name__ == "__main__":
    main()
