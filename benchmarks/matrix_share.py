"""How much of what the machine's matrix products could do does training reach? Whole runs of this program.

    python -m benchmarks.matrix_share [--cases full,full_256,lora] [--rows N] [--threads N]

A run logs its tokens a second, padding left out and everything between two steps included: reading batches, dropout,
the optimizer. Times the floating-point operations that a token takes (6 for each weight of a matrix where all are
trained, what attention computes between tokens left out), that is a rate; it is compared with the rate of one large
matrix product in the same precision on as many threads, measured right after the run.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.jobs import overrides
from benchmarks.many_runs import write
from benchmarks.runs import process
from benchmarks.speed import CASES, Case
from benchmarks.stamp import stamp

OUTPUT = Path(__file__).parent / "results/matrix_share.json"
COLUMNS = ("case", "precision", "tokens/s", "GFLOP/s", "a large product, GFLOP/s", "share")
TRAINED = [name for name in CASES if name != "frozen"]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result: dict[str, Any] = {"stamp": stamp(), "runs": []}
    for name in options.cases:
        result["runs"].append({"case": name, **measured(CASES[name], options.rows, options.threads)})
        print(time.strftime("%H:%M:%S"), *table(result["runs"])[-1], sep="  ", flush=True)
        text = "# The share of the machine's matrix rate that training reaches\n\nMedian over a run's steps, "
        text += "real tokens only. [How](../README.md#the-share-of-the-machines-matrix-rate)."
        write(options.output, result, text, table(result["runs"]), COLUMNS)


def measured(case: Case, rows: int | None, threads: int | None) -> dict[str, Any]:
    """Tokens a second of a run of the case, operations a token, and the rate of a large product."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.launch.ready import get_ready
    from pipeline.launch.speed import flops_per_token, measured_rate
    from pipeline.reporting.report.curves import tokens_per_second

    words = [
        word for word in overrides(case.strategy, 0, rows or case.rows, threads) if word != "logger=none"
    ]
    # Without a validation in between.
    words += [word for word in case.words if not word.startswith("trainer.max_epochs=")]
    words += ["trainer.max_epochs=1", "logger=csv", "trainer.log_every=1", "hardware.precision=auto"]
    with tempfile.TemporaryDirectory() as folder:
        process(["pipeline.train", *words, f"paths.outputs={folder}"])
        (metrics,) = Path(folder).glob("*/*/*/metrics.json")
        tokens = tokens_per_second(metrics.parent)
    ready = get_ready(load(compose(words)))
    spec, prepared = ready.spec, ready.prepared
    model, _ = spec.task.load(spec.model, prepared.checkpoint["folder"], prepared.head, meta=True)
    return {
        "precision": ready.machine.precision,
        "threads": ready.machine.threads,
        "tokens_per_second": tokens,
        "flops_per_token": flops_per_token(spec.strategy.adapt(model)),
        "matrix_rate": measured_rate(ready.machine),
    }


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`."""
    rows = []
    for run in found:
        rate = run["tokens_per_second"] * run["flops_per_token"]
        numbers = (
            f"{run['tokens_per_second']:,.0f}",
            f"{rate / 1e9:,.0f}",
            f"{run['matrix_rate'] / 1e9:,.0f}",
        )
        rows.append((_about(run), run["precision"], *numbers, f"{rate / run['matrix_rate']:.0%}"))
    return rows


def _about(run: dict[str, Any]) -> str:
    return CASES[run["case"]].about.removesuffix(", 3 epochs")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matrix_share", description="Share of the matrix rate."
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), default=TRAINED)
    parser.add_argument("--rows", type=int, help="of every split, at most; default: as each case has it")
    parser.add_argument("--threads", type=int, help="CPU threads; default: all cores")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a Markdown file goes beside it")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in TRAINED]:
        parser.error(f"--cases: no {', '.join(unknown)}; there are {', '.join(TRAINED)}")
    return options


if __name__ == "__main__":
    main()
