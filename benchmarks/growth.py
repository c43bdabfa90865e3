"""Does a token cost more when there is more data? The same run on 1, 10 and 100 times the rows.

    python -m benchmarks.growth [--rows 600] [--threads 1]

A tiny BERT with random weights (2 layers, 64 wide), whose step is so short that what reads, orders and pads batches
would show: one epoch on rows of words drawn from the movie snippets, with their lengths. The cost of a token is
what the run takes beyond the run on a tenth of the rows, in CPU seconds of the whole process, without what preparing
the rows takes when they are seen for the first time. The share of the loop that waits for the next batch is what
Lightning's profiler says, memory is the peak of the largest process.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.empty_features import empty_features
from benchmarks.many_runs import write
from benchmarks.runs import used
from benchmarks.stamp import stamp

OUTPUT = Path(__file__).parent / "results/growth.json"
COLUMNS = (
    "rows",
    "tokens",
    "preparing, CPU s",
    "training, CPU s",
    "CPU µs a token more",
    "waiting",
    "peak MiB",
)
TIMES = 10
SIZES = "{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 128}"
_HELD_OUT = 200


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result: dict[str, Any] = {"stamp": stamp(), "settings": {"threads": options.threads}, "runs": []}
    for rows in (options.rows, options.rows * TIMES, options.rows * TIMES**2):
        result["runs"].append({"rows": rows, **measured(rows, options.threads)})
        print(time.strftime("%H:%M:%S"), *table(result["runs"])[-1], sep="  ", flush=True)
        write(options.output, result, _text(), table(result["runs"]), COLUMNS)


def measured(rows: int, threads: int) -> dict[str, Any]:
    """One run that prepares, and one that trains on what is prepared."""
    # What is prepared goes with the folder, too.
    with tempfile.TemporaryDirectory() as folder, empty_features():
        given = [*_words(Path(folder), rows), f"hardware.threads={threads}"]
        prepared = used(["pipeline.prepare", *given], threads)
        trained = used(["pipeline.train", *given, f"paths.outputs={folder}/outputs"], threads)
        (metrics,) = Path(folder, "outputs").glob("*/*/*/metrics.json")
        (profile,) = metrics.parent.glob("logs/fit-*.txt")
        return {
            "tokens": json.loads((metrics.parent / "manifest.json").read_text())["prepared"]["tokens"][
                "train"
            ],
            "prepare_cpu_seconds": prepared.cpu_seconds,
            "cpu_seconds": trained.cpu_seconds,
            "waiting": waiting(profile.read_text()),
            "memory": trained.memory,
        }


def waiting(profile: str) -> float:
    """The share of the epoch's time in which the loop waits for its next batch, of what Lightning's profiler wrote."""
    seconds = {}
    for line in profile.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[4].replace(".", "").isdigit():
            seconds[cells[1].rpartition(".")[2]] = float(cells[4])
    return seconds["train_dataloader_next"] / seconds["run_training_epoch"]


def _words(folder: Path, rows: int) -> list[str]:
    from pipeline.sources.movie_snippets import MovieSnippets

    texts = [row["text"].split() for row in MovieSnippets().load()["train"]]
    words, draw = [word for text in texts for word in text], random.Random(0)
    for split, count in (("train", rows), ("validation", _HELD_OUT), ("test", _HELD_OUT)):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(count):
                text = " ".join(draw.choices(words, k=len(draw.choice(texts))))
                file.write(json.dumps({"text": text, "label": number % 2}) + "\n")
    given = ["task=text_classification", "model=bert", "model.from_scratch=true", f"model.sizes={SIZES}"]
    given += ["strategy=full", "data=files", "data.audit=off"]
    given += [f"data.{split}={folder}/{split}.jsonl" for split in ("train", "validation", "test")]
    given += ["hardware=cpu", "trainer.max_epochs=1", "trainer.log_every=1", "trainer.profiler=simple"]
    return [*given, "logger=csv"]


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`."""
    rows = []
    for number, run in enumerate(found):
        before = found[number - 1] if number else None
        costs = [
            (after["cpu_seconds"] - less["cpu_seconds"]) / (after["tokens"] - less["tokens"])
            for less, after in pairwise(found[: number + 1])
        ]
        shown = f"{1e6 * costs[-1]:.0f}" if costs else ""
        shown += f" ({costs[-1] / costs[-2] - 1:+.1%})" if len(costs) > 1 else ""
        more = f" ({run['memory'] / before['memory'] - 1:+.1%})" if before else ""
        rows.append(
            (
                f"{run['rows']:,}",
                f"{run['tokens']:,}",
                f"{run['prepare_cpu_seconds']:.0f}",
                f"{run['cpu_seconds']:.0f}",
                shown,
                f"{run['waiting']:.1%}",
                f"{run['memory'] / 2**20:,.0f}{more}",
            )
        )
    return rows


def _text() -> str:
    return (
        "# The same run on more data\n\nA BERT of 2 layers, 64 wide, one epoch. [How](../README.md#growth)."
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="More data.")
    parser.add_argument("--rows", type=int, default=600, help="of the smallest run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a Markdown file goes beside it")
    options = parser.parse_args(arguments)
    if options.rows < 2:
        parser.error(f"--rows: {options.rows} are too few for two classes: at least 2")
    if options.threads < 1:
        parser.error(f"--threads: {options.threads} compute nothing: at least 1")
    return options


if __name__ == "__main__":
    main()
