"""Proof that what a run saved is what it trained: reloaded elsewhere, it computes the same."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.runs import reload_server

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

# Merging adapters and another process's thread count change the last bits of float32 arithmetic.
TOLERANCE = 1e-3
# Whose model a folder holds: what loads it.
Loader = Literal["transformers", "peft", "onnx"]
_RELOAD, _SERVER = (Path(__file__).with_name(name) for name in ("reload.py", "reload_server.py"))


class ModelDiffers(RuntimeError):
    """The saved model does not compute what the trained one does."""


def fresh_python() -> str:
    """The interpreter whose process reloads."""
    return sys.executable


def outputs(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor of numbers that `model` computes on a batch, by name, in float32 on the CPU."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode():
        batch = {name: value.to(device) for name, value in inputs.items()}
        made = model.eval()(**batch)
    return {
        name: value.float().cpu()
        for name, value in made.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and name != "loss"
    }


def verify(
    folder: Path,
    auto_class: str,
    inputs: dict[str, Tensor],
    expected: dict[str, Tensor],
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    *,
    loader: Loader = "transformers",
    base: str | None = None,
    code: Path | None = None,
) -> float:
    """Reload `folder` in a fresh process and compare its outputs with `expected`; the largest difference.

    inputs: a batch as the forward pass takes it; expected: what the trained model in memory computes on it.
    loader: whose model it is. base: the folder of what an adapter is for, where it names a hub.
    code: the file of ours that transformers needs to load the model, and that was saved beside it.
    Raises ModelDiffers when loading fails or the difference exceeds the tolerance.
    """
    import torch
    from safetensors.torch import load_file, save_file

    inputs = {name: value.detach().cpu().contiguous() for name, value in inputs.items()}
    with tempfile.TemporaryDirectory() as work:
        batch, output = Path(work) / "batch.safetensors", Path(work) / "outputs.safetensors"
        save_file(inputs, batch)
        ids = [tokenizer(text)["input_ids"] for text in texts]
        request = {
            "auto_class": auto_class,
            "texts": texts,
            "input_ids": ids,
            "loader": loader,
            "base": base,
            "trust": _is_ours(folder, code),
        }
        batch.with_suffix(".json").write_text(json.dumps(request), encoding="utf-8")
        status, said = _reload([str(folder), str(batch), str(output)])
        if status != 0:
            raise ModelDiffers(f"{folder} does not load in a fresh process:\n{said.strip()[-2_000:]}")
        found = load_file(output)
        if found.keys() != expected.keys():
            raise ModelDiffers(f"{folder} computes {sorted(found)}, the trained model {sorted(expected)}")
        # Of NaN and a number torch's max is NaN, Python's whichever comes first.
        each = [(found[name] - value).abs().max() for name, value in expected.items()]
        difference = float(torch.stack(each).max())
    if not difference <= TOLERANCE:
        raise ModelDiffers(
            f"{folder} computes something else than the trained model: they differ by {difference:.2e}, "
            f"allowed is {TOLERANCE:.0e}"
        )
    return difference


def _reload(words: list[str]) -> tuple[int, str]:
    """Run reload.py in a fresh process; its exit code, and what it said."""
    if place := os.environ.get(reload_server.PLACE):
        # One that is gone is done without.
        with contextlib.suppress(OSError, ValueError):
            return reload_server.ask(place, words)
    done = subprocess.run([fresh_python(), "-I", str(_RELOAD), *words], capture_output=True, text=True)
    return done.returncode, done.stderr


@cache
def serve_reloads() -> None:
    """From now on, jobs that are given this process's environment do not wait for imports when they reload."""
    folder = tempfile.TemporaryDirectory()
    server = subprocess.Popen(
        [fresh_python(), "-I", str(_SERVER), folder.name],
        stdin=subprocess.PIPE,  # It ends with us, who hold the other end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is not for it.
    )
    os.environ[reload_server.PLACE] = f"{folder.name}/socket"
    for at_end in (folder.cleanup, server.wait, server.kill):
        atexit.register(at_end)


@cache
def fork_reloads() -> None:
    """From now on, runs of this process do not pay a second time for the imports of reloading. Linux only: elsewhere
    libraries do not survive a fork. To be called before torch has computed anything."""
    if reload_server.PLACE in os.environ or not sys.platform.startswith("linux"):
        return
    folder = tempfile.TemporaryDirectory()
    server, held = reload_server.fork(folder.name)
    os.environ[reload_server.PLACE] = f"{folder.name}/socket"

    owner = os.getpid()

    def end() -> None:
        if os.getpid() != owner:
            return
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)  # Its time is part of ours.
        os.close(held)
        folder.cleanup()

    atexit.register(end)


def _is_ours(folder: Path, code: Path | None) -> bool:
    """Whether the code in the folder may be run, because this program has just written it there."""
    return code is not None and (folder / code.name).read_bytes() == code.read_bytes()
