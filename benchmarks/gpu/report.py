"""The results as a table and as files, stamped with the card that they are of."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.measuring import TOLERANCE, mean_of
from benchmarks.stamp import origin, stamp
from benchmarks.summary import SIDES, markdown

COLUMNS = (
    "case",
    "tokens a step",
    "side",
    "tokens/s",
    "ratio",
    "MFU, data sheet",
    "MFU, measured",
    "peak memory, GB",
    "losses",
)
_EXPLAINED = (
    "Ratio: this program's tokens a second by Trainer's. MFU: model FLOPs a second (`6 N` a token with `full`, `4 N` "
    "with `lora`, and attention between the tokens that see each other) by the card's dense bf16 peak, as its data "
    "sheet has it and as a large matrix product reached in the same process. Peak memory: of the timed steps. "
    "Losses: the largest difference of the two sides in a warm-up step."
)


def card(device: Any) -> dict[str, Any]:
    """The GPU, its driver and CUDA."""
    import torch

    if device.type != "cuda":
        return {"name": "no GPU", "driver": None, "cuda": None, "bytes": None}
    return {
        "name": torch.cuda.get_device_name(device),
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "bytes": torch.cuda.get_device_properties(device).total_memory,
    }


def _driver() -> str | None:
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (said.stdout.splitlines() or [""])[0].strip() or None


def begin(device: Any, peaks: Mapping[str, float | None], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "what": "training steps on one GPU, bf16, packed sequences, against HF Trainer (+ PEFT)",
        "stamp": stamp(),
        "gpu": card(device),
        "peak_flops": dict(peaks),
        "settings": dict(settings),
        "cases": [],
    }


def table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`, two a case, one where it was skipped."""
    rows = []
    for case in result["cases"]:
        begins = (case["name"], f"{case['sequences']} × {case['length']:,}")
        if "skipped" in case:
            rows.append((*begins, case["skipped"], *[""] * (len(COLUMNS) - 3)))
            continue
        for side in SIDES:
            rows.append((*begins, side, *_numbers(result, case, side)))
    return rows


def _numbers(result: Mapping[str, Any], case: Mapping[str, Any], side: str) -> list[str]:
    ours, theirs, speed = (mean_of(case, one, "tokens_per_second") for one in (*SIDES, side))
    if speed is None:
        errors = [run["error"] for run in case["runs"] if run["side"] == side and "error" in run]
        return [errors[-1].partition(". ")[0].replace("|", "/"), *[""] * (len(COLUMNS) - 4)]
    peaks = (result["peak_flops"][name] for name in ("datasheet", "measured"))
    shares = [f"{speed * case['flops_per_token'] / peak:.1%}" if peak else "" for peak in peaks]
    ratio = f"{ours / theirs:.2f}" if ours and theirs and side == SIDES[0] else ""
    memory = mean_of(case, side, "peak_bytes") or 0
    apart = case["loss_difference"]
    agree = "" if apart is None or side != SIDES[0] else f"{apart:.2%}{'' if apart < TOLERANCE else ' (!)'}"
    return [f"{speed:,.0f}", ratio, *shares, f"{memory / 1e9:.1f}", agree]


def write(result: Mapping[str, Any], output: Path) -> None:
    """``output`` and a Markdown file beside it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    gpu, peak = result["gpu"], result["peak_flops"]
    reached = f", matrix product {peak['measured'] / 1e12:.0f} TFLOP/s" if peak["measured"] else ""
    known = f"{gpu['name']}, driver {gpu['driver']}, CUDA {gpu['cuda']}{reached}; {origin(result['stamp'])}"
    output.with_suffix(".md").write_text(
        f"# Training steps on one GPU\n\n{_EXPLAINED}\n\n{markdown(table(result), COLUMNS)}\n{known}.\n"
    )
