"""Instruction tuning against TRL's SFTTrainer: whole processes, from the command to the saved model.

    python -m benchmarks.instructions [--rows 300] [--epochs 1] [--rounds 1] [--threads 2] [--resume]

SmolLM2-135M on dialogues of mixed lengths, all weights, float32, steps of about as many tokens. TRL as it comes, and at
its best: packed, and without computing activations again. This program as it comes, and packed too; unlike TRL's on a
CPU, its packed conversations do not see each other. All models are loaded by transformers afterwards and scored by the
same code on the same held-out answers. Needs `pip install 'hydratune[benchmark]'`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import runs
from benchmarks.many_runs import write
from benchmarks.speed import COMPARED
from benchmarks.stamp import stamp

OUTPUT = Path(__file__).parent / "results/instructions.json"
OURS, PACKED = "hydratune", "hydratune, packed"
TRL, TRL_PACKED = "TRL as it comes", "TRL, packed"
COLUMNS = (*COMPARED, "steps", "held-out loss")
LENGTH, RATE, HELD_OUT = 1_024, 2e-5, 40
# The same data twice, in another order: so far apart losses may be.
_APART = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    settings = {"rows": options.rows, "epochs": options.epochs, "threads": options.threads}
    result: dict[str, Any] = {"stamp": stamp(), "settings": settings, "runs": []}
    if options.resume and options.output.exists():
        before = json.loads(options.output.read_text())
        if before["settings"] != settings:
            raise SystemExit(f"{options.output} was measured with {before['settings']}; drop --resume")
        result["runs"] = before["runs"]
    known = {(run["round"], run["side"]) for run in result["runs"]}
    with tempfile.TemporaryDirectory() as folder:
        given = _given(Path(folder), options)
        for number in range(options.rounds):
            for side, act in _sides(given, options).items():
                if (number, side) in known:
                    continue
                result["runs"].append({"round": number, "side": side, **act()})
                print(time.strftime("%H:%M:%S"), *table(result["runs"])[-1], sep="  ", flush=True)
                write(options.output, result, _text(options), table(result["runs"]), COLUMNS)
    check(result["runs"])


def _given(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What all sides are given: rows in files, and a plain folder with the model."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.sources.dialogues import Dialogues

    rows = list(Dialogues().load()["train"])[: options.rows + HELD_OUT]
    for name, part in (("train", rows[HELD_OUT:]), ("held_out", rows[:HELD_OUT])):
        lines = "".join(json.dumps(row) + "\n" for row in part)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    checkpoint = options.checkpoint
    if checkpoint is None:
        model = load(compose(["model=smollm2", "task=instruction_tuning", "data=dialogues"])).model
        checkpoint = model.locate().folder
    return {"folder": folder, "checkpoint": str(checkpoint)}


def _sides(given: dict[str, Any], options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    return {
        OURS: lambda: _ours(given, options, []),
        TRL: lambda: _trl(given, options, packing=False),
        PACKED: lambda: _ours(given, options, ["task.packing=true"]),
        TRL_PACKED: lambda: _trl(given, options, packing=True),
    }


def _ours(given: dict[str, Any], options: argparse.Namespace, more: Sequence[str]) -> dict[str, Any]:
    folder = given["folder"]
    words = ["task=instruction_tuning", "task.generate_in_validation=false", f"task.max_length={LENGTH}"]
    words += ["model=smollm2", f"model.checkpoint={given['checkpoint']}", "model.sha256=null"]
    # Neither side validates: nothing is held out, and the last step is kept.
    words += [
        "data=files",
        f"data.train={folder}/train.jsonl",
        "data.split.validation=0",
        "data.split.test=0",
    ]
    words += ["strategy=full", f"optimizer.lr={RATE}", "scheduler.warmup_ratio=0", "logger=none"]
    words += [f"trainer.max_epochs={options.epochs}", "hardware=cpu", "hardware.precision=32"]
    words += [f"hardware.threads={options.threads}"]
    # A packed block is a row of so many tokens.
    words += ["trainer.batch_size=1"] if more else [f"trainer.batch_tokens={LENGTH}"]
    with tempfile.TemporaryDirectory() as outputs:
        took = runs.used(["pipeline.train", *words, *more, f"paths.outputs={outputs}"])
        (written,) = Path(outputs).glob("*/*/*/metrics.json")
        steps = json.loads(written.read_text())["total_steps"]
        loss = held_out_loss(written.parent / "model", folder / "held_out.jsonl")
    return {"steps": steps, "loss": loss, **took.said()}


def _trl(given: dict[str, Any], options: argparse.Namespace, *, packing: bool) -> dict[str, Any]:
    folder = given["folder"]
    with tempfile.TemporaryDirectory() as outputs:
        job, done = Path(outputs, "job.json"), Path(outputs, "done.json")
        settings = {
            "checkpoint": given["checkpoint"],
            "train": f"{folder}/train.jsonl",
            "output": f"{outputs}/model",
            "packing": packing,
            # About as many tokens as a packed block has.
            "rows_per_step": 16,
            "seed": 0,
            "epochs": options.epochs,
            "max_length": LENGTH,
            "lr": RATE,
            "weight_decay": 0.01,
            "threads": options.threads,
        }
        job.write_text(json.dumps(settings))
        took = runs.used(["benchmarks.trl_sft", str(job), str(done)], threads=options.threads)
        loss = held_out_loss(Path(outputs, "model"), folder / "held_out.jsonl")
        return {**json.loads(done.read_text()), "loss": loss, **took.said()}


def held_out_loss(model: Path, rows: Path) -> float:
    """Mean negative log-likelihood of a token of the answers, in nats, as transformers loads and computes it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    total, count = 0.0, 0
    for row in map(json.loads, rows.read_text(encoding="utf-8").splitlines()):
        said = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        said.append({"role": "assistant", "content": row["response"]})
        whole = tokenizer.apply_chat_template(said, tokenize=False).rstrip("\n")
        ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt")["input_ids"]
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            logits = network(input_ids=ids).logits[0, start - 1 : -1]
        total += torch.nn.functional.cross_entropy(logits, ids[0, start:], reduction="sum").item()
        count += ids.shape[1] - start
    return total / count


def check(found: Sequence[dict[str, Any]]) -> None:
    """Raises RuntimeError where sides that should learn alike do not."""
    losses = {side: median(run["loss"] for run in found if run["side"] == side) for side in _names(found)}
    if max(losses.values()) - min(losses.values()) > _APART:
        raise RuntimeError(f"other losses: {losses}")


def _names(found: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(run["side"] for run in found))


def table(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`: medians over rounds, of ratios within a round."""
    of = {(run["round"], run["side"]): run for run in found}
    rows = []
    for side in _names(found):
        pairs = [(run, of[number, OURS]) for (number, name), run in of.items() if name == side]
        cells = []
        for what in ("seconds", "cpu_seconds"):
            cells.append(f"{median(run[what] for run, _ in pairs):.0f}")
            cells.append(f"{median(run[what] / ours[what] for run, ours in pairs):.2f} ×")
        memory, steps, loss = (median(run[what] for run, _ in pairs) for what in ("memory", "steps", "loss"))
        rows.append((side, *cells, f"{memory / 2**20:,.0f}", f"{steps:.0f}", f"{loss:.3f}"))
    return rows


def _text(options: argparse.Namespace) -> str:
    return (
        f"# Instruction tuning against TRL\n\nSmolLM2-135M, all weights, {options.rows} dialogues of mixed lengths, "
        f"{options.epochs} epochs, float32, {options.threads} threads. From the command to the saved model; this "
        f"program also audits the data, reloads the model in a fresh process and compares."
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="Against TRL.")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="how often every side has its turn")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each run")
    parser.add_argument(
        "--checkpoint", type=Path, help="another folder with a causal model and a chat template"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a Markdown file goes beside it")
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")
    options = parser.parse_args(arguments)
    if options.rows < 1:
        parser.error(f"--rows: {options.rows}: at least 1")
    if find_spec("trl") is None:
        parser.error("TRL is not installed: pip install 'hydratune[benchmark]'")
    return options


if __name__ == "__main__":
    main()
