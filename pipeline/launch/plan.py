"""What a run is going to do and cost, before it does it. Nothing here imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.batches import micro_batches_per_step
from pipeline.data.mixing import mixing
from pipeline.data.skipping import skipped_text
from pipeline.data.streaming.facts import StreamFacts
from pipeline.data.token_batches import token_micro_batches
from pipeline.launch import footprint
from pipeline.launch.footprint import Memory, Shape, Split

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared
    from pipeline.launch.machine import Machine
    from pipeline.launch.prefix import FrozenPrefix
    from pipeline.launch.schedule import Schedule

GIB = 2**30
_COMPILED = (
    "each trained layer by itself; the first steps take longer, less in later runs, which find it stored"
)


def memory(spec: RunSpec, prepared: Prepared, machine: Machine) -> Memory:
    """What the largest training batch takes in one process: see :func:`pipeline.launch.footprint.memory`."""
    split = _split(spec, prepared, machine)
    language = any(head.endswith("_lm") for head in spec.task.heads)
    return footprint.memory(_shape(prepared), split, copies=_averages(spec), language=language)


def _shape(prepared: Prepared) -> Shape:
    config = json.loads((Path(prepared.checkpoint["folder"]) / "config.json").read_text(encoding="utf-8"))
    config = config.get("backbone_config", config)  # of a pooled model
    return Shape(
        total=prepared.total,
        trainable=prepared.trainable,
        layers=_first(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        hidden=_first(config, "hidden_size", "d_model", "n_embd", "dim"),
        heads=_first(config, "num_attention_heads", "n_head", "n_heads", "num_heads"),
        vocabulary=_first(config, "vocab_size"),
    )


def _split(spec: RunSpec, prepared: Prepared, machine: Machine) -> Split:
    if spec.train and spec.trainer.batch_tokens:
        share = -(-spec.trainer.batch_tokens // machine.world_size)
        rows = -(-min(machine.micro_tokens or share, share) // prepared.longest)
    else:
        share = -(-_step_rows(spec, prepared) // machine.world_size)
        rows = min(machine.micro_batch or share, share)
    return Split(
        processes=machine.world_size,
        rows=rows,
        tokens=prepared.longest,
        width=4 if machine.precision == "32" else 2,
        sharded=spec.train and spec.hardware.sharding != "none" and machine.world_size > 1,
        recompute=spec.train and bool(spec.hardware.recompute),
        offload=spec.train and spec.hardware.offloads(machine.accelerator),
    )


def _network(
    spec: RunSpec, prepared: Prepared, machine: Machine, schedule: Schedule
) -> list[tuple[str, str]]:
    """What processes send each other."""
    if machine.world_size == 1 or not spec.train:
        return []
    sent = footprint.sent(_shape(prepared), _split(spec, prepared, machine), schedule.accumulate)
    size = f"{sent / GIB:.2f} GiB" if sent >= GIB else f"{sent / 2**20:.1f} MiB"
    how = "the model is cut over them" if spec.hardware.sharding != "none" else "each has the whole model"
    return [("network", f"each process sends about {size} a step: {how}")]


def _averages(spec: RunSpec) -> int:
    """Copies of the trained weights beside those that are trained."""
    kept = spec.callbacks.values() if spec.train else ()
    return sum(getattr(callback, "weight_copies", 0) for callback in kept)


def _step_rows(spec: RunSpec, prepared: Prepared) -> int:
    """Rows of the largest optimizer step, or without training of the largest batch."""
    if not spec.train:
        return min(spec.trainer.evaluation_batch_size, max(prepared.examples.values()))
    mixed = mixing(spec.data, prepared.segments)
    return min(spec.trainer.batch_size, mixed.size if mixed else prepared.examples["train"])


def _rows_of(prepared: Prepared) -> dict[str, int]:
    return {name: counts["rows"] for name, counts in prepared.segments.items()}


def _examples(prepared: Prepared) -> str:
    if prepared.examples == prepared.rows:
        return ""
    return " in examples: " + ", ".join(f"{count:,}" for count in prepared.examples.values())


def _first(config: dict[str, Any], *names: str) -> int:
    """The same quantity under the names that architectures give it; 0 where it has none of them."""
    return next((int(config[name]) for name in names if isinstance(config.get(name), int)), 0)


def available_memory() -> int | None:
    """Bytes of memory that are free on this machine; None where the system does not tell."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def plan(
    spec: RunSpec,
    prepared: Prepared,
    machine: Machine,
    schedule: Schedule,
    prefix: FrozenPrefix | None = None,
) -> list[tuple[str, str]]:
    """Rows of the plan: what, and how much."""
    need, free = memory(spec, prepared, machine), available_memory()
    rows = prepared.rows
    mixed = mixing(spec.data, prepared.segments) if spec.train else None
    cut = {name: count for name, count in prepared.truncated.items() if count}
    choice = spec.choices
    lines = [
        (
            "run",
            f"{spec.name}: task={choice['task']} model={choice['model']} data={choice['data']} "
            + (f"strategy={choice['strategy']}" if spec.train else "train=false"),
        ),
        (
            "data",
            ", ".join(f"{count:,} {name}" for name, count in rows.items())
            + _examples(prepared)
            + (" (cached)" if prepared.cached else " (encoded now)")
            + (f"; {skipped_text(prepared.skipped)}" if prepared.skipped else ""),
        ),
        *([("source", prepared.source)] if prepared.source else []),
        *_streamed(prepared),
        *(mixed.table(_rows_of(prepared)) if mixed else ()),
        *spec.task.describe(prepared.head).items(),
        (
            "tokens",
            (f"{prepared.tokens['train']:,} in training, " if spec.train else "")
            + f"longest row {prepared.longest}"
            + (f"; cut short: {sum(cut.values()):,} rows" if cut else ""),
        ),
        *(_training(spec, prepared, machine, schedule) if spec.train else _scoring(prepared)),
        *([("frozen part", prefix.text())] if prefix else []),
        (
            "machine",
            (f"{machine.nodes} machines × " if machine.nodes > 1 else "")
            + f"{machine.local_size} × {machine.accelerator}, {machine.threads} thread{'s' * (machine.threads != 1)}, "
            f"precision {machine.precision}",
        ),
        (
            "memory",
            f"about {need.total / GIB:.1f} GiB a process (weights {need.weights / GIB:.2f}, gradients "
            f"{need.gradients / GIB:.2f}, optimizer {need.optimizer / GIB:.2f}, activations "
            f"{need.activations / GIB:.2f})"
            + (_fit(spec, need.total * machine.local_size, free) if machine.accelerator == "cpu" else ""),
        ),
    ]
    lines += _network(spec, prepared, machine, schedule)
    if spec.train:
        kept = 4 * prepared.trainable / 2**20
        lines.append(
            (
                "checkpoint",
                f"{(3 + _averages(spec)) * kept:.1f} MiB to continue from, {kept:.1f} MiB the best",
            )
        )
    return lines


def _training(
    spec: RunSpec, prepared: Prepared, machine: Machine, schedule: Schedule
) -> list[tuple[str, str]]:
    limit = f", at most {spec.trainer.max_minutes:g} minutes" if spec.trainer.max_minutes else ""
    return [
        (
            "parameters",
            f"{prepared.trainable:,} trained of {prepared.total:,} "
            f"({prepared.trainable / prepared.total:.2%})",
        ),
        *prepared.strategy.items(),
        (
            "steps",
            f"{schedule.total_steps:,} = {schedule.epochs} epoch{'s' * (schedule.epochs > 1)} of "
            f"{schedule.steps_per_epoch:,}{limit}; {_batch(spec, prepared, machine)}; "
            f"{schedule.tokens:,} tokens",
        ),
        *_dropout(spec, machine),
        *_recomputed(spec, machine),
        *([("compiled", _COMPILED)] if spec.hardware.compile else []),
        *_augmentation(spec),
        (
            "best by",
            f"{schedule.monitor} ({schedule.mode})"
            if schedule.monitor
            else "no validation data: the last step",
        ),
    ]


def _streamed(prepared: Prepared) -> list[tuple[str, str]]:
    if prepared.stream is None:
        return []
    held_out = "" if len(prepared.rows) > 1 else "; nothing is held out (data.validation=FILE)"
    return [("streamed", StreamFacts.of(prepared.stream).text() + held_out)]


def _augmentation(spec: RunSpec) -> list[tuple[str, str]]:
    chosen = spec.data.augmentation.chosen()
    return (
        [("augmentation", ", ".join(f"{name} {value:g}" for name, value in chosen.items()))] if chosen else []
    )


def _dropout(spec: RunSpec, machine: Machine) -> list[tuple[str, str]]:
    """What of it is not the checkpoint's own, nor drawn the quick way. Adapters have one of their own."""
    own = getattr(spec.strategy, "dropout", None)
    said = []
    if spec.model.dropout is not None:
        beside = f", in front of the strategy's updates {own:g} (strategy.dropout)" if own is not None else ""
        said.append(f"{spec.model.dropout:g} everywhere in the model{beside}")
    off = spec.hardware.without_quick_dropout
    if off and spec.trainer.quick_dropout and machine.accelerator == "cpu":
        said.append(f"torch's own masks: trainer.quick_dropout does not go with hardware.{off}")
    return [("dropout", "; ".join(said))] if said else []


def _recomputed(spec: RunSpec, machine: Machine) -> list[tuple[str, str]]:
    if not spec.hardware.recompute:
        return []
    said = "activations, in the backward pass"
    if spec.hardware.offloads(machine.accelerator):
        said += "; inputs of layers wait in the CPU's memory"
    elif spec.hardware.recompute == "offload":
        said += f"; hardware.recompute=offload needs a GPU: as true on {machine.accelerator}"
    return [("computed again", said)]


def _scoring(prepared: Prepared) -> list[tuple[str, str]]:
    return [
        ("parameters", f"{prepared.total:,}, none trained"),
        ("steps", "none: the model is scored as it is"),
    ]


def _batch(spec: RunSpec, prepared: Prepared, machine: Machine) -> str:
    """How an optimizer step is cut: ``batch 64 = 2 processes × 4 micro-batches × 8 rows``."""
    world, tokens = machine.world_size, spec.trainer.batch_tokens
    size = tokens or _step_rows(spec, prepared)
    pieces = (
        token_micro_batches(size, world, machine.micro_tokens)
        if tokens
        else micro_batches_per_step(size, world, machine.micro_batch)
    )
    each = -(-size // world // pieces)
    unit = "token" if tokens else "row"
    factors = [f"{world} process{'es' * (world > 1)}"]
    factors += [f"{pieces} micro-batches"] * (pieces > 1)
    factors.append(f"{each:,} {unit}{'s' * (each > 1)}")
    every = "" if tokens or size == spec.trainer.batch_size else " (all there are)"
    return f"batch {size:,}{' tokens' if tokens else every} = {' × '.join(factors)}"


def _fit(spec: RunSpec, need: int, free: int | None) -> str:
    if free is None:
        return ""
    if need < free:
        return f"; fits in the {free / GIB:.1f} GiB free"
    unit = "tokens" if spec.trainer.batch_tokens else "batch"
    again = ", or hardware.recompute=true" if spec.train and not spec.hardware.recompute else ""
    advice = f"try a smaller hardware.micro_{unit} or task.max_length{again}"
    return f"; DOES NOT FIT into the {free / GIB:.1f} GiB free: {advice}"
