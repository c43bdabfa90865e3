"""What does each stage bring? The shipped chain against chains that leave out one of its stages, or both.

    python -m benchmarks.stages [--seeds 0,1,2] [--threads N] [--resume] [key=value …]

Four variants with the same last stage, each a process of its own: a model from scratch that is only fine-tuned, one
that was pretrained before, one that was adapted before, and one that was both. A stage that two variants have in common
is trained once a seed (resume=auto). Results are written after every run; --resume goes on from what is there.
Overrides are for all runs.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import hashes_of_rows
from benchmarks.runs import process
from benchmarks.stamp import origin, stamp
from benchmarks.summary import markdown, mean_and_interval

RESULTS = Path(__file__).parent / "results"
VARIANTS = (
    ("finetune",),
    ("pretrain", "finetune"),
    ("adapt", "finetune"),
    ("pretrain", "adapt", "finetune"),
)
WHOLE = " → ".join(VARIANTS[-1])
COLUMNS = ("stages", "test accuracy", "all three are better by (points)", "seeds")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    result = _begin(options)
    for seed in options.seeds:
        for variant in VARIANTS:
            name = " → ".join(variant)
            if any((run["variant"], run["seed"]) == (name, seed) for run in result["runs"]):
                continue
            began = time.strftime("%H:%M:%S")
            run = train(variant, seed, result["overrides"], options.outputs)
            if (known := result.setdefault("rows", run["rows"])) != run.pop("rows"):
                raise RuntimeError(f"{name} was fine-tuned on other rows than {known}")
            result["runs"].append({"variant": name, "seed": seed, **run})
            _write(options.output, result)
            score, seconds = 100 * run["accuracy"], run["seconds"]
            print(f"{began} {name}, seed {seed}: {score:.2f} in {seconds:.0f} s", flush=True)
    _write(options.output, result)
    print(markdown(table(result["summary"]), COLUMNS))


def from_scratch() -> list[str]:
    """How the model of the first stage is made, as overrides: that of a chain without it is made the same way."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    spec = load(compose(["stage=pretrain"]))
    sizes = ", ".join(f"{name}: {value}" for name, value in spec.model.sizes.items())
    return [
        f"model={spec.choices['model']}",
        "model.from_scratch=true",
        f"model.sizes={{{sizes}}}",
        f"model.vocab_size={spec.model.vocab_size}",
    ]


def train(variant: Sequence[str], seed: int, overrides: Sequence[str], outputs: Path) -> dict[str, Any]:
    """One chain: what its last stage scored, every stage's steps and score, and the rows that the last one had.

    seconds is what this process took; stages that it found finished are in ``kept``.
    """
    from datasets import DatasetDict

    before = set(outputs.glob("*/*/*/metrics.json"))
    given = [
        f"stages=[{','.join(variant)}]",
        f"seed={seed}",
        f"paths.outputs={outputs}",
        "resume=auto",
        *overrides,
    ]
    seconds = process(["pipeline.train", *given, *(from_scratch() if variant[0] != "pretrain" else ())])
    new = set(outputs.glob("*/*/*/metrics.json")) - before
    # Where this was cut off before it was noted, the last stage is one of those that were kept.
    found = [path.parent for path in outputs.glob("*/*/*/metrics.json") if _is(path.parent, variant, seed)]
    last = max([folder for folder in found if folder / "metrics.json" in new] or found)
    folders = _lineage(last)
    metrics = json.loads((last / "metrics.json").read_text())
    return {
        "accuracy": metrics["test/accuracy"],
        "stages": [_stage(folder) for folder in folders],
        "kept": [
            _manifest(folder)["stage"]["name"] for folder in folders if folder / "metrics.json" not in new
        ],
        "seconds": seconds,
        "rows": hashes_of_rows(DatasetDict.load_from_disk(f"{_manifest(last)['prepared']['folder']}/raw")),
    }


def _lineage(folder: Path) -> list[Path]:
    source = _manifest(folder)["stage"]["from"]
    return [*_lineage(Path(source["folder"])), folder] if source else [folder]


def _is(folder: Path, variant: Sequence[str], seed: int) -> bool:
    """Whether a run is the last one of a chain of these stages."""
    names = tuple(_manifest(one)["stage"]["name"] for one in _lineage(folder))
    return names == tuple(variant) and _manifest(folder)["result_relevant"]["seed"] == seed


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def _stage(folder: Path) -> dict[str, Any]:
    metrics, manifest = json.loads((folder / "metrics.json").read_text()), _manifest(folder)
    scores = {
        name: value for name, value in metrics.items() if name.startswith("test/") and name.count("/") == 1
    }
    facts = {"name": manifest["stage"]["name"], "id": manifest["id"], "steps": metrics["total_steps"]}
    return {**facts, "trained": manifest["prepared"]["trainable"], "scores": scores}


def summarize(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each variant accuracy in percent, and how much more the whole chain reaches, of pairs of seeds."""
    points: dict[str, dict[int, float]] = {}
    for run in runs:
        points.setdefault(run["variant"], {})[run["seed"]] = 100 * run["accuracy"]
    summary: list[dict[str, Any]] = []
    for variant, by_seed in points.items():
        whole = points.get(WHOLE, {}) if variant != WHOLE else {}
        gains = [whole[seed] - value for seed, value in by_seed.items() if seed in whole]
        numbers = {"accuracy": list(by_seed.values()), **({"gain": gains} if gains else {})}
        means = {
            key: dict(zip(("mean", "interval95"), mean_and_interval(v), strict=True))
            for key, v in numbers.items()
        }
        summary.append({"variant": variant, "seeds": list(by_seed), **means})
    return summary


def table(summary: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`."""
    return [
        (
            row["variant"],
            _cell(row["accuracy"]),
            _cell(row["gain"], "+") if "gain" in row else "",
            str(len(row["seeds"])),
        )
        for row in summary
    ]


def _cell(numbers: dict[str, float | None], sign: str = "") -> str:
    half = "" if numbers["interval95"] is None else f" ± {numbers['interval95']:.2f}"
    return f"{numbers['mean']:{sign}.2f}{half}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages", description="What each stage brings."
    )
    seeds = {"type": lambda text: [int(seed) for seed in text.split(",")], "default": [0, 1, 2]}
    parser.add_argument("overrides", nargs="*", help="for every run, e.g. debug=fast")
    parser.add_argument("--seeds", **seeds)
    parser.add_argument("--threads", type=int, help="CPU threads of each run; default: all cores")
    parser.add_argument(
        "--outputs", type=Path, default=Path("outputs/stages"), help="where the runs are written"
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "stages.json", help="a Markdown file goes beside it"
    )
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")
    return parser.parse_intermixed_args(arguments)


def _begin(options: argparse.Namespace) -> dict[str, Any]:
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    threads = [f"hardware.threads={options.threads}"] if options.threads else []
    given = ["hardware=cpu", "logger=csv", *threads, *options.overrides]
    result: dict[str, Any] = {
        "what": "test accuracy of the last stage, mean over seeds",
        "stamp": stamp(),
        "overrides": given,
        "settings": {name: load(compose([f"stage={name}", *given])).config for name in VARIANTS[-1]},
        "runs": [],
    }
    if options.resume and options.output.exists():
        before = json.loads(options.output.read_text())
        if before["settings"] != json.loads(json.dumps(result["settings"])):
            raise SystemExit(f"{options.output}: it was measured with other settings; drop --resume")
        result |= {name: before[name] for name in ("runs", "rows")}
    return result


def _write(output: Path, result: dict[str, Any]) -> None:
    result["summary"] = summarize(result["runs"])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    text = "# What each stage brings\n\nTest accuracy in percent, mean ± 95 % interval over seeds.\n\n"
    rows = table(result["summary"])
    output.with_suffix(".md").write_text(f"{text}{markdown(rows, COLUMNS)}\n{origin(result['stamp'])}.\n")


if __name__ == "__main__":
    main()
