"""Does it learn as well as what a user would write instead? Every task on real data, side by side.

    python -m benchmarks.task_quality --data FOLDER [--pairs stsb_regression,…] [--seeds 0,1,2] [--jobs 8]
    python -m benchmarks.task_quality --merge HERE.json THERE.json

FOLDER holds the public data sets (benchmarks/README.md says which). Each pair and seed is one run of this program and
one of a peer, transformers' or sentence-transformers' trainer: whole processes that take turns, on the same rows with
the same hyperparameters.
Results are written after every run, and --resume goes on from what is there; --merge adds what other machines found.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.runs import process
from benchmarks.stamp import origin, stamp
from benchmarks.summary import SIDES, markdown, mean_and_interval
from benchmarks.tasks.job import TaskJob, job_of
from benchmarks.tasks.new_seq2seq import save_new
from benchmarks.tasks.pairs import PAIRS, Pair

OUTPUT = Path(__file__).parent / "results/tasks.json"
COLUMNS = ("pair", "steps", "score", "hydratune", "peer", "difference", "seeds")


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where a pair failed."""
    options = _parse(arguments)
    result: dict[str, Any] = {"stamps": [], "settings": {}, "runs": []}
    if (options.resume or options.merge) and options.output.exists():
        result = json.loads(options.output.read_text())
    if options.merge:
        for file in options.merge:
            add(result, json.loads(file.read_text()))
        _write(options.output, result)
        failed = False
    else:
        failed = (_side_by_side if options.jobs > 1 else _one_after_another)(options, result)
    if (written := options.output.with_suffix(".md")).exists():
        print(written.read_text())
    return int(failed)


def add(result: dict[str, Any], found: dict[str, Any]) -> None:
    """Bring runs of elsewhere into ``result``, in place of those that were made with other settings."""
    for name, settings in found["settings"].items():
        take_settings(result, name, settings)
    known = {(run["pair"], run["seed"], run["side"]) for run in result["runs"]}
    for run in found["runs"]:
        if (run["pair"], run["seed"], run["side"]) not in known:
            where = number_of(result, found["stamps"][run["stamp"]])
            result["runs"].append({**run, "stamp": where})


def number_of(result: dict[str, Any], stamped: dict[str, Any]) -> int:
    """A stamp's place among those of the result: one for each date, commit, machine and set of versions."""
    if stamped not in result["stamps"]:
        result["stamps"].append(stamped)
    return result["stamps"].index(stamped)


def _one_after_another(options: argparse.Namespace, result: dict[str, Any]) -> bool:
    for name, seed in product(options.pairs, options.seeds):
        pair = PAIRS[name]
        with new_model(pair, options.data) as new:
            given = overrides(pair, options.data, seed, options, new)
            job = job_of(name, given)
            take_settings(result, name, settings_of(pair, job))
            for side in options.sides:
                key = {"pair": name, "seed": seed, "side": side}
                if any(key.items() <= run.items() for run in result["runs"]):
                    continue
                scores = (_this_program if side == SIDES[0] else _peer)(pair, given, job)
                where = {"stamp": number_of(result, stamp()), "on": f"{job.accelerator}, {job.precision}"}
                result["runs"].append({**key, "scores": scores, **where})
                shown = ", ".join(f"{score} {value:.4f}" for score, value in scores.items())
                print(f"{time.strftime('%H:%M:%S')} {name} seed {seed} {side}: {shown}", flush=True)
                _write(options.output, result)
    return False


def _side_by_side(options: argparse.Namespace, result: dict[str, Any]) -> bool:
    """Several pairs and seeds at once, each in a process that writes a file of its own; whether one failed."""
    alike = ["--data", options.data, "--sides", ",".join(options.sides), "--batches", options.batches]
    alike += ["--hardware", options.hardware, "--precision", options.precision]
    alike += ["--threads", options.threads] if options.threads else []
    known = {(run["pair"], run["seed"], run["side"]) for run in result["runs"]}
    failed = False
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        parts = {}
        # Seed by seed: what is cut off has whole seeds.
        for seed, name in product(options.seeds, options.pairs):
            if all((name, seed, side) in known for side in options.sides):
                continue
            part = Path(folder, f"{name}-{seed}.json")
            asked = [*alike, "--pairs", name, "--seeds", seed, "--output", part]
            parts[pool.submit(process, ["benchmarks.task_quality", *map(str, asked)])] = part
        for done in as_completed(parts):
            part = parts[done]
            if part.exists():
                add(result, json.loads(part.read_text()))
                _write(options.output, result)
            failed |= done.exception() is not None
            print(f"{time.strftime('%H:%M:%S')} {part.stem}: {done.exception() or 'done'}", flush=True)
    return failed


@contextmanager
def new_model(pair: Pair, data: Path) -> Iterator[Path]:
    """A folder, with the encoder-decoder in it that the pair starts from, if it starts from one."""
    with tempfile.TemporaryDirectory() as folder:
        if pair.texts:
            lines = Path(data, pair.data, "train.jsonl").read_text(encoding="utf-8").splitlines()
            save_new(Path(folder), [row[name] for row in map(json.loads, lines) for name in pair.texts])
        yield Path(folder)


def overrides(pair: Pair, data: Path, seed: int, options: argparse.Namespace, new: Path) -> list[str]:
    """What a run of the comparison is started with. Float32 and shuffled batches, unless the options say otherwise:
    they are Trainer's defaults.

    new: the folder of the model of :func:`new_model`.
    """
    places = {"{data}": str(data.absolute()), "{new}": str(new)}
    chosen = list(pair.overrides)
    for name, place in places.items():
        chosen = [word.replace(name, place) for word in chosen]
    # One learning rate for everything is what the scripts have.
    chosen += ["strategy=full", "strategy.learning_rate=5e-5", "strategy.head_rate=1"]
    chosen += [f"seed={seed}", "logger=none", f"hardware={options.hardware}"]
    chosen += [f"hardware.precision={options.precision}"]
    chosen += [f"trainer.group_by_length={str(options.batches == 'grouped').lower()}"]
    return chosen + ([f"hardware.threads={options.threads}"] if options.threads else [])


def settings_of(pair: Pair, job: TaskJob) -> dict[str, Any]:
    """What both sides have in common, wherever they run."""
    return {
        "overrides": list(pair.overrides),
        **{name: getattr(job, name) for name in ("steps", "lr", "batch_size", "max_length")},
    }


def take_settings(result: dict[str, Any], name: str, settings: dict[str, Any]) -> None:
    """Note a pair's settings. Runs that were made with others are forgotten."""
    if result["settings"].get(name) != settings:
        result["runs"] = [run for run in result["runs"] if run["pair"] != name]
    result["settings"][name] = settings


def _this_program(pair: Pair, given: list[str], job: TaskJob) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        process(["pipeline.train", *given, f"paths.outputs={folder}"])
        (written,) = Path(folder).glob("*/*/*/metrics.json")
        metrics = json.loads(written.read_text())
    return {name: metrics[f"test/{name}"] for name in pair.scores}


def _peer(pair: Pair, given: list[str], job: TaskJob) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder, "job.json"), Path(folder, "result.json")
        asked.write_text(json.dumps(asdict(job)))
        process([f"benchmarks.tasks.peers.{pair.peer}", str(asked), str(found)], threads=job.threads)
        return json.loads(found.read_text())


def table(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: means and 95 % intervals over the seeds that both sides have."""
    rows, runs = [], result["runs"]
    for name in (name for name in PAIRS if name in result["settings"]):
        by_side = [
            {run["seed"]: run["scores"] for run in runs if (run["pair"], run["side"]) == (name, s)}
            for s in SIDES
        ]
        seeds = [seed for seed in by_side[0] if seed in by_side[1]]
        for score, higher in PAIRS[name].scores.items() if seeds else ():
            values = [[side[seed][score] for seed in seeds] for side in by_side]
            differences = [ours - theirs for ours, theirs in zip(*values, strict=True)]
            arrow = "↑" if higher else "↓"
            numbers = (_shown(values[0]), _shown(values[1]), _shown(differences, "+"))
            steps = f"{result['settings'][name]['steps']:,}"
            rows.append((name, steps, f"{score} {arrow}", *numbers, str(len(seeds))))
    return rows


def _shown(values: Sequence[float], sign: str = "") -> str:
    mean, half = mean_and_interval(values)
    return f"{mean:{sign}.4f}" + (f" ± {half:.4f}" if half is not None else "")


def _write(output: Path, result: dict[str, Any]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    text = "# Every task against what a user would write instead\n\nTest scores, mean over seeds ± 95 % interval "
    text += "(none of a single seed); "
    text += "the same rows, steps and rates on both sides. "
    text += "[What is compared](../README.md#every-task-against-what-a-user-would-write-instead).\n\n"
    made = "".join(f"- {origin(stamped)}\n" for stamped in result["stamps"])
    output.with_suffix(".md").write_text(f"{text}{markdown(table(result), COLUMNS)}\n{made}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.task_quality", description="Compare with peers."
    )
    parser.add_argument("--data", type=Path, help="the folder of data sets")
    parser.add_argument("--merge", type=Path, nargs="+", help="add the runs of these files; nothing is run")
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument("--pairs", type=lambda text: text.split(","), default=list(PAIRS))
    parser.add_argument("--sides", type=lambda text: text.split(","), default=list(SIDES))
    parser.add_argument("--hardware", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--precision", choices=["32", "bf16"], default="32")
    parser.add_argument(
        "--batches",
        choices=["shuffled", "grouped"],
        default="shuffled",
        help="grouped: this program sorts batches by length, as it does unless told otherwise",
    )
    parser.add_argument("--jobs", type=int, default=1, help="so many pairs and seeds at once")
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a Markdown file goes beside it")
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")
    options = parser.parse_args(arguments)
    for option, asked, allowed in (("--pairs", options.pairs, PAIRS), ("--sides", options.sides, SIDES)):
        if unknown := [name for name in asked if name not in allowed]:
            parser.error(f"{option}: no {', '.join(unknown)}; there are {', '.join(allowed)}")
    if missing := [str(file) for file in options.merge or () if not file.is_file()]:
        parser.error(f"--merge: no such file: {', '.join(missing)}")
    if not options.merge and not (options.data and options.data.is_dir()):
        parser.error(f"--data: {options.data or 'it'} has to be the folder of data sets")
    return options


if __name__ == "__main__":
    sys.exit(main())
