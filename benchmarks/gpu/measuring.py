"""Both sides of one case in turn, and what their times come to."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import torch

from benchmarks.gpu import hf_trainer, this_program
from benchmarks.gpu.arithmetic import flops_per_token, parameters
from benchmarks.gpu.cases import ACTIVATIONS, FULL_BYTES, Case
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.tokens import blocks, labelled, visible
from benchmarks.summary import SIDES

# Share of the loss by which the two sides may differ in a warm-up step: bf16 has 8 bits, and AdamW's first steps are as
# large for a gradient that is nearly nothing as for any other.
TOLERANCE = 0.01


def too_large(case: Case, device: torch.device) -> str | None:
    """Why the case cannot fit the GPU, whatever is left for activations."""
    if case.strategy != "full" or device.type != "cuda":
        return None
    need = FULL_BYTES * parameters(case.shape)
    there = torch.cuda.get_device_properties(device).total_memory
    if need < (1 - ACTIVATIONS) * there:
        return None
    return f"does not fit: {need / 1e9:.0f} GB and activations, the GPU has {there / 1e9:.0f}"


def measure(
    case: Case, *, warmup: int, steps: int, seconds: float, rounds: int, device: torch.device
) -> dict[str, Any]:
    """The case as it goes into the results; ``runs`` may have errors in place of numbers."""
    made = blocks(case, (warmup + steps) * case.batch)
    rank = getattr(this_program.strategy_of(case), "r", 0)
    known: dict[str, Any] = {
        "name": case.name,
        "sequences": case.batch,
        "length": case.length,
        "parameters": parameters(case.shape),
        "flops_per_token": flops_per_token(case.shape, case.strategy, visible(made), rank),
    }
    if reason := too_large(case, device):
        return {**known, "skipped": reason}
    runs = []
    for number in range(rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:  # Neither always has the warmer card.
            if any(run["side"] == side and "error" in run for run in runs):
                continue
            clock = Clock(warmup, steps, seconds)
            error = _attempt(side, case, made, clock, device)
            _clear(device)
            print(
                f"{case.name}, {side}: {error or f'{clock.elapsed / clock.timed:.3f} s a step'}", flush=True
            )
            runs.append({"side": side, **({"error": error} if error else _numbers(case, clock))})
    return {**known, "runs": runs, "loss_difference": loss_difference(runs)}


def _attempt(side: str, case: Case, made: Any, clock: Clock, device: torch.device) -> str | None:
    """One training; what went wrong with it."""
    try:
        if side == SIDES[0]:
            this_program.train(case, made, clock, device)
        else:
            hf_trainer.train(case, labelled(made), clock, device)
    except Exception as error:  # noqa: BLE001  # The other cases are worth measuring whatever it was.
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
    return None if clock.elapsed else "stopped before anything was timed"


def _clear(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _numbers(case: Case, clock: Clock) -> dict[str, Any]:
    return {
        "steps": clock.timed,
        "seconds": clock.elapsed,
        "tokens_per_second": clock.timed * case.batch * case.length / clock.elapsed,
        "peak_bytes": clock.peak_bytes,
        "losses": clock.losses,
    }


def loss_difference(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """The largest difference of the sides' losses in a warm-up step, as a share; None where one side has none."""
    by_side = {run["side"]: run["losses"] for run in reversed(runs) if "losses" in run}
    if set(by_side) != set(SIDES):
        return None
    pairs = zip(*(by_side[side] for side in SIDES), strict=True)
    return max(abs(one - other) / abs(other) for one, other in pairs)


def mean_of(case: Mapping[str, Any], side: str, name: str) -> float | None:
    """Over the rounds that a side has finished."""
    values = [run[name] for run in case.get("runs", ()) if run["side"] == side and name in run]
    return fmean(values) if values else None
