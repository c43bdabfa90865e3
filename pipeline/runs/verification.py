"""Proof that what a run saved is what it trained: reloaded elsewhere, it computes the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

# Merging adapters and another process's thread count change the last bits of float32 arithmetic.
TOLERANCE = 1e-3


class ModelDiffers(RuntimeError):
    """The saved model does not compute what the trained one does."""


def logits(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """What `model` computes on a batch without targets, in float32 on the CPU."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode():
        batch = {name: value.to(device) for name, value in inputs.items()}
        return model.eval()(**batch).logits.float().cpu()


def verify(
    folder: Path,
    auto_class: str,
    inputs: dict[str, Tensor],
    expected: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
) -> float:
    """Reload `folder` in a fresh process and compare its logits with `expected`; the largest difference.

    inputs: a batch without targets; expected: what the trained model in memory computes on it.
    Raises ModelDiffers when loading fails or the difference exceeds the tolerance.
    """
    from safetensors.torch import load_file, save_file

    inputs = {name: value.detach().cpu().contiguous() for name, value in inputs.items()}
    with tempfile.TemporaryDirectory() as work:
        batch, output = Path(work) / "batch.safetensors", Path(work) / "logits.safetensors"
        save_file(inputs, batch)
        ids = tokenizer(texts)["input_ids"]
        request = {"auto_class": auto_class, "texts": texts, "input_ids": ids}
        batch.with_suffix(".json").write_text(json.dumps(request), encoding="utf-8")
        script = Path(__file__).with_name("reload.py")
        done = subprocess.run(
            [sys.executable, "-I", str(script), str(folder), str(batch), str(output)],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise ModelDiffers(f"{folder} does not load in a fresh process:\n{done.stderr.strip()[-2_000:]}")
        difference = float((load_file(output)["logits"] - expected).abs().max())
    if not difference <= TOLERANCE:
        raise ModelDiffers(
            f"{folder} computes other logits than the trained model: they differ by {difference:.2e}, "
            f"allowed is {TOLERANCE:.0e}"
        )
    return difference
