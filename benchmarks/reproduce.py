"""Run a shipped experiment again and compare with its recorded result.

    python -m benchmarks.reproduce NAME [--record] [key=value …]

Exit code 1 when the score differs by more than the recorded tolerance: another processor rounds differently,
so a few test rows may change sides, but not many. --record writes today's result instead of comparing, and
states it in the experiment's yaml file.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.stamp import origin, stamp

RECORDS = Path(__file__).parent / "results" / "experiments.json"
OUTPUTS = Path("outputs") / "reproduced"
EXPERIMENTS = Path(__file__).parents[1] / "conf" / "experiment"
METRIC, TOLERANCE = "test/accuracy", 0.02


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reproduce", description="Run an experiment again."
    )
    parser.add_argument("name", help="a file of conf/experiment, without .yaml")
    parser.add_argument("overrides", nargs="*", help="for the run, e.g. logger=none")
    parser.add_argument("--record", action="store_true", help="write the result as the recorded one")
    parser.add_argument("--records", type=Path, default=RECORDS, help="file of the recorded results")
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="where the run is written")
    options = parser.parse_intermixed_args(arguments)
    records = json.loads(options.records.read_text()) if options.records.exists() else {}
    if not options.record and options.name not in records:
        parser.error(f"{options.name} has no recorded result; there are: {', '.join(records) or 'none'}")
    now = run(options.name, options.overrides, options.outputs)
    if options.record:
        records[options.name] = now
        options.records.parent.mkdir(parents=True, exist_ok=True)
        options.records.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n")
        if options.records == RECORDS:
            state(now, EXPERIMENTS / f"{options.name}.yaml")
        print(statement(now))
        return
    sys.exit(0 if compare(records[options.name], now) else 1)


def run(name: str, overrides: Sequence[str], outputs: Path) -> dict[str, Any]:
    """One run in a process of its own: score, seconds, largest memory. Exits as the run does if it fails."""
    before = set(outputs.glob("*/*/*/metrics.json"))
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.train", f"experiment={name}", f"paths.outputs={outputs}"]
    done = subprocess.run([*command, *overrides], check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.returncode)
    written = set(outputs.glob("*/*/*/metrics.json")) - before
    # Of a chain, the stage that has such a score.
    (score,) = (found[METRIC] for file in written if METRIC in (found := json.loads(file.read_text())))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # bytes on macOS, KiB elsewhere
    return {
        "metric": METRIC,
        "score": round(score, 4),
        "tolerance": TOLERANCE,
        "seconds": round(seconds),
        "memory_mib": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
        "stamp": stamp(),
    }


def statement(record: dict[str, Any]) -> str:
    """What an experiment's yaml file says of its result: score, time, memory."""
    machine = record["stamp"]["machine"]
    cost = f"{record['seconds']} s, {record['memory_mib']} MiB"
    on = f"{machine['processor']}, {machine['cpus']} CPUs"
    return f"# Recorded: {record['metric']} {record['score']:.4f}, {cost} ({on})."


def state(record: dict[str, Any], file: Path) -> None:
    """Put the statement below the file's description, in place of an older one."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("# Recorded:")]
    file.write_text("\n".join([*lines[:2], statement(record), *lines[2:]]) + "\n")


def compare(recorded: dict[str, Any], now: dict[str, Any]) -> bool:
    """Print both results; whether the scores agree."""
    from rich.console import Console
    from rich.table import Table

    difference = round(now["score"] - recorded["score"], 4)
    agrees = abs(difference) <= recorded["tolerance"]
    shown = Table(
        "", "recorded", "now", title="reproduced" if agrees else "NOT reproduced", title_justify="left"
    )
    shown.add_row(recorded["metric"], f"{recorded['score']:.4f}", f"{now['score']:.4f} ({difference:+.4f})")
    shown.add_row("largest difference allowed", f"{recorded['tolerance']:.4f}", "")
    shown.add_row("seconds", str(recorded["seconds"]), str(now["seconds"]))
    shown.add_row("memory, MiB", str(recorded["memory_mib"]), str(now["memory_mib"]))
    shown.add_row("made with", origin(recorded["stamp"]), origin(now["stamp"]))
    Console(highlight=False).print(shown)
    return agrees


if __name__ == "__main__":
    main()
