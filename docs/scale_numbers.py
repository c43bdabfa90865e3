"""The arithmetic of docs/scale.md, by the functions with which `plan` speaks of a run. Nothing here is measured."""

import dataclasses

from pipeline.launch.footprint import Memory, Shape, Split, memory, sent
from pipeline.launch.speed import SHARE

GB = 10**9
# Llama 3.1 8B, as its config.json and its weights say.
LLAMA_8B = Shape(
    total=8_030_261_248, trainable=8_030_261_248, layers=32, hidden=4096, heads=32, vocabulary=128_256
)
# LoRA of rank 8 on the queries and values of every layer.
LORA_8B = dataclasses.replace(LLAMA_8B, trainable=32 * 8 * ((4096 + 4096) + (4096 + 1024)))
# MiniLM, the model of `model=bert`, with texts of its longest length.
MINILM = Shape(total=22_713_986, trainable=22_713_986, layers=6, hidden=384, heads=12, vocabulary=30_522)

# Of an H100 SXM and its node, by their data sheets: products in bf16 per second, bytes of memory, bytes per second that
# one GPU sends to the others of its node (NVLink) and of other nodes (a 400 Gb/s adapter for each GPU).
FLOPS, MEMORY = 989e12, 80 * GB
INSIDE, BETWEEN = 450 * GB, 50 * GB
GPUS, NODE = 64, 8

# Characters of English in a token of a vocabulary of 128,000, about.
CHARACTERS = 4.2
TEXT = 100 * GB
TOKENS = TEXT / CHARACTERS

Rows = list[tuple[str, ...]]


def cut(**changes: object) -> Split:
    """A sequence of 4,096 tokens in each of 64 GPUs, as the table below changes it."""
    plain = Split(processes=GPUS, rows=1, tokens=4096, width=2, sharded=True, recompute=True)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def memory_of(what: str, shape: Shape, split: Split, language: bool = True) -> tuple[str, ...]:
    need = memory(shape, split, language=language)
    fits = "yes" if need.total < MEMORY else "no"
    return (what, *(_gb(part) for part in _parts(need)), _gb(need.total), fits)


def scale_memory() -> tuple[tuple[str, ...], Rows]:
    """Gigabytes of one GPU in several plans for 8 billion parameters."""
    header = ("plan", "weights", "gradients", "optimizer", "activations", "together", "fits in 80 GB")
    rows = [
        memory_of("`hardware=ddp`", LLAMA_8B, cut(sharded=False, recompute=False)),
        memory_of("`hardware=fsdp`", LLAMA_8B, cut(recompute=False)),
        memory_of("`hardware=fsdp hardware.recompute=true`", LLAMA_8B, cut()),
        memory_of("the same, 4 sequences at once", LLAMA_8B, cut(rows=4)),
        memory_of("the same on 8 GPUs, 1 sequence", LLAMA_8B, cut(processes=8)),
        memory_of("`strategy=lora`, `hardware=ddp`, recomputed", LORA_8B, cut(sharded=False)),
    ]
    return header, rows


def scale_network() -> tuple[tuple[str, ...], Rows]:
    """What one GPU sends in a step, and how long that takes beside the arithmetic."""
    header = ("plan", "tokens a GPU", "sent by a GPU", "at 50 GB/s", "arithmetic", "a step", "limited by")
    rows = []
    for what, shape, split in (
        ("`hardware=fsdp`, 1 sequence", LLAMA_8B, cut()),
        ("`hardware=fsdp`, 4 sequences", LLAMA_8B, cut(rows=4)),
        ("`strategy=lora`, `hardware=ddp`, 1 sequence", LORA_8B, cut(sharded=False)),
    ):
        bytes_sent = sent(shape, split)
        network, arithmetic = bytes_sent / BETWEEN, arithmetic_of(shape, split)
        step = max(network, arithmetic)
        tokens = split.rows * split.tokens
        limit = "network" if network > arithmetic else "arithmetic"
        seconds = tuple(f"{each:.2f} s" for each in (network, arithmetic, step))
        rows.append((what, f"{tokens:,}", _gb(bytes_sent), *seconds, limit))
    return header, rows


def arithmetic_of(shape: Shape, split: Split) -> float:
    """Seconds of one micro-batch's products: 6 operations for each weight and token, 2 more where the forward pass is
    computed again; 4 where the weights are frozen, which need no gradient of their own."""
    each = 4 if shape.trainable < shape.total / 2 else 6
    each += 2 if split.recompute else 0
    return each * shape.total * split.rows * split.tokens / (SHARE * FLOPS)


def step_of(split: Split) -> float:
    """Seconds of a step: what is sent is sent while products are computed."""
    return max(sent(LLAMA_8B, split) / BETWEEN, arithmetic_of(LLAMA_8B, split))


def scale_time() -> tuple[tuple[str, ...], Rows]:
    """One pass over 100 GB of English."""
    rows = []
    for count in (1, 4):
        split = cut(rows=count)
        tokens = count * split.tokens * GPUS
        steps = TOKENS / tokens
        seconds = steps * step_of(split)
        days, gpu_hours = f"{seconds / 86_400:.1f}", f"{seconds / 3600 * GPUS:,.0f}"
        rows.append((f"{count}", f"{tokens:,}", f"{steps:,.0f}", f"{step_of(split):.2f} s", days, gpu_hours))
    header = ("sequences a GPU", "tokens a step", "steps", "a step", "days", "GPU hours")
    return header, rows


# 10,000 trials of MiniLM, of 10 passes over 8,000 texts of 32 tokens each.
TRIALS, PASSES, ROWS, LENGTH = 10_000, 10, 8_000, 32
ETA, LEAST = 3, 1


def trial_seconds(passes: float) -> float:
    """Of one trial on one GPU, by the arithmetic alone, and so at least."""
    return 6 * MINILM.total * ROWS * LENGTH * passes / (SHARE * FLOPS)


def halving_passes() -> float:
    """Passes over the data of all trials together when of each rung the best third goes on, to three times as many
    passes (successive halving, Jamieson and Talwalkar 2016)."""
    passes, before, left, budget = 0.0, 0, TRIALS, LEAST
    while True:
        passes += left * (budget - before)
        if budget == PASSES or left == 1:
            return passes
        before, left, budget = budget, left // ETA, min(budget * ETA, PASSES)


def scale_trials() -> tuple[tuple[str, ...], Rows]:
    """Passes, time and disk of many trials."""
    overhead = 20.0  # Seconds in which a process starts, loads a model, tests, saves and reloads it: assumed.
    checkpoint = 4 * 4 * MINILM.total  # last (weights and two moments) and best
    rows = []
    for what, passes in (
        ("all of them whole", float(TRIALS * PASSES)),
        ("the best third goes on", halving_passes()),
    ):
        arithmetic = trial_seconds(passes) / 3600
        total = arithmetic + TRIALS * overhead / 3600
        rows.append(
            (what, f"{passes:,.0f}", f"{arithmetic:,.1f}", f"{total:,.0f}", f"{total / GPUS:.1f}",
             f"{TRIALS * checkpoint / 1000 / GB:.1f} TB")
        )  # fmt: skip
    header = (
        "trials",
        "passes",
        "GPU hours of arithmetic",
        "with 20 s each around it",
        "hours on 64 GPUs",
        "checkpoints",
    )
    return header, rows


def _parts(need: Memory) -> tuple[int, ...]:
    return need.weights, need.gradients, need.optimizer, need.activations


def _gb(count: float) -> str:
    return f"{count / GB:.1f} GB" if count >= GB / 10 or not count else f"{count / 10**6:.0f} MB"
