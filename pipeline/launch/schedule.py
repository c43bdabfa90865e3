"""How long a run trains and what it watches, from its settings and the size of its data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.batches import micro_batches_per_step, steps_per_epoch, tokens_to_steps
from pipeline.data.mixing import Mixing, mixing
from pipeline.data.token_batches import (
    enough_for_all,
    token_micro_batches,
    token_steps_per_epoch,
    training_batches,
)
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.runs.splits import prefix_of

if TYPE_CHECKING:
    import numpy as np

    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared
    from pipeline.launch.machine import Machine


@dataclass(frozen=True)
class Schedule:
    """steps are optimizer steps; accumulate is micro-batches of one process to a step.

    monitor is the metric's full name, None without validation data; mode is min or max.
    """

    steps_per_epoch: int
    epochs: int
    total_steps: int
    accumulate: int
    monitor: str | None
    mode: str
    tokens: int


def schedule(spec: RunSpec, prepared: Prepared, machine: Machine) -> Schedule:
    """Raises BadInput for a monitored metric that the task does not report, or for more processes than rows or than
    examples of a step."""
    # The rows of a text that is read in windows stay together, so both have to be enough.
    least = {name: min(count, prepared.examples[name]) for name, count in prepared.rows.items()}
    if small := [name for name, count in least.items() if count < machine.world_size]:
        what = f"{machine.world_size} processes, but the {small[0]} split has {least[small[0]]} rows"
        raise BadInput(Problem("hardware.devices", what, "at most as many processes as rows"))
    monitor, mode = monitored(spec, prepared)
    if not spec.train:
        return Schedule(0, 0, 0, accumulate=1, monitor=monitor, mode=mode, tokens=0)
    mixed = mixing(spec.data, prepared.segments)
    trainer, rows = spec.trainer, mixed.size if mixed else prepared.examples["train"]
    if rows < machine.world_size:
        what = f"{machine.world_size} processes, but an epoch draws {rows} examples"
        raise BadInput(Problem("data.rows", what, "at least as many examples as processes, or null"))
    if not trainer.batch_tokens and trainer.batch_size < machine.world_size:
        n = machine.world_size
        what = f"{trainer.batch_size}, and each of {n} processes takes an example of every step"
        raise BadInput(Problem("trainer.batch_size", what, f"at least {n}, or fewer hardware.devices"))
    per_epoch, accumulate = (
        _by_tokens(spec, prepared, machine, mixed)
        if trainer.batch_tokens
        else (
            steps_per_epoch(rows, trainer.batch_size, machine.world_size),
            micro_batches_per_step(trainer.batch_size, machine.world_size, machine.micro_batch),
        )
    )
    counted = per_epoch
    if prepared.stream and not prepared.stream["whole"]:
        # Nobody knows how many rows there are: all steps are one epoch.
        per_epoch = trainer.max_steps or per_epoch
    classes = len(prepared.head.get("labels") or ())
    epochs = trainer.epochs(per_epoch, spec.strategy.least_steps, classes)
    limits = [epochs * per_epoch, trainer.max_steps]
    if trainer.max_tokens is not None:
        limits.append(_token_steps(spec, prepared, machine))
    total = min(limit for limit in limits if limit is not None)
    return Schedule(
        steps_per_epoch=per_epoch,
        epochs=math.ceil(total / per_epoch),
        total_steps=total,
        accumulate=accumulate,
        monitor=monitor,
        mode=mode,
        tokens=_mixed_tokens(spec, prepared, mixed, total / per_epoch)
        if mixed
        else round(prepared.tokens["train"] * total / counted),
    )


def _mixed_tokens(spec: RunSpec, prepared: Prepared, mixed: Mixing, epochs: float) -> int:
    """Tokens of so many epochs; of the last one, where it is not whole, by its share."""
    lengths, whole = _lengths(prepared), math.floor(epochs)
    before, after = (mixed.tokens(lengths, spec.seed, count) for count in (whole, whole + 1))
    return round(before + (after - before) * (epochs - whole))


def _lengths(prepared: Prepared) -> np.ndarray:
    """Tokens of every training example."""
    from pipeline.data.prepare import load_splits

    return load_splits(prepared.folder, "encoded")["train"].with_format("numpy")["length"][:]


def _by_tokens(spec: RunSpec, prepared: Prepared, machine: Machine, mixed: Mixing | None) -> tuple[int, int]:
    """Steps of an epoch and micro-batches of one, where these are counted in tokens.

    Raises BadInput for fewer tokens than give every process its part.
    """
    lengths, budget = _lengths(prepared), spec.trainer.batch_tokens or 0
    tokens = mixed.tokens(lengths, spec.seed, 1) if mixed else int(lengths.sum())
    world, micro, longest = machine.world_size, machine.micro_tokens, int(lengths.max())
    for key, size, cut, least in (
        ("trainer.batch_tokens", budget, None, 2 * world * longest),
        ("hardware.micro_tokens", micro, micro, 4 * longest),
    ):
        if not enough_for_all(tokens, longest, budget, world, cut):
            parts = world * token_micro_batches(budget, world, cut)
            what = (
                f"{size:,} tokens are too few: the longest text has {longest:,}, and a step of {budget:,} has "
                f"{parts} part{'s' * (parts > 1)}"
            )
            raise BadInput(Problem(key, what, f"{least:,} or more, or a smaller task.max_length"))
    return token_steps_per_epoch(tokens, budget), token_micro_batches(budget, world, micro)


def _token_steps(spec: RunSpec, prepared: Prepared, machine: Machine) -> int:
    batches = training_batches(
        _lengths(prepared),
        spec.trainer,
        micro_batch=machine.micro_batch,
        micro_tokens=machine.micro_tokens,
        world_size=machine.world_size,
        rank=0,
        seed=spec.seed,
        mixing=mixing(spec.data, prepared.segments),
    )
    return tokens_to_steps(batches, spec.trainer.max_tokens or 0)


def monitored(spec: RunSpec, prepared: Prepared) -> tuple[str | None, str]:
    """The metric that chooses the best checkpoint, and whether it is to be small or large."""
    names = [name for name in prepared.rows if name.partition("_")[0] == "validation"]
    prefixes = {name: prefix_of(name) for name in names}
    wanted = spec.trainer.monitor
    if not names:
        if wanted:
            raise BadInput(Problem("trainer.monitor", f"'{wanted}' needs validation data, and there is none"))
        return None, "min"
    reported = {
        f"{prefix}/{metric}": "max" if higher else "min"
        for prefix in prefixes.values()
        for metric, higher in prepared.directions.items()
    }
    main = prefixes.get("validation") or prefixes[names[0]]
    wanted = wanted or f"{main}/{spec.task.monitor_for(prepared.head)}"
    if wanted not in reported:
        raise BadInput(
            Problem(
                "trainer.monitor",
                f"no metric is called '{wanted}'",
                listing(sorted(reported)),
                nearest(wanted, reported),
            )
        )
    return wanted, reported[wanted]
