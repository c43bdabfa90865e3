"""Loads what a run left in `model/` as anyone would, and writes what it computes.

Run in a process of its own, as `python -I reload.py MODEL INPUTS OUTPUT`: with plain transformers (and PEFT, where an
adapter could not be merged), without this package, without a network and with an empty cache. INPUTS holds a batch,
and beside it, as .json, texts.
"""

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(model_folder: str, inputs: str, output: str) -> None:
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as empty:
        os.environ.update(HF_HOME=empty, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        import torch
        import transformers
        from safetensors.torch import load_file, save_file

        request = json.loads(Path(inputs).with_suffix(".json").read_text(encoding="utf-8"))
        adapter = Path(model_folder, "adapter")
        apart = Path(model_folder, "base")
        home = str(apart) if apart.is_dir() else model_folder
        tokenizer = transformers.AutoTokenizer.from_pretrained(home)
        if [tokenizer(text)["input_ids"] for text in request["texts"]] != request["input_ids"]:
            sys.exit("the tokenizer in the folder cuts texts differently from the one that trained")
        auto = getattr(transformers, request["auto_class"])
        model, info = auto.from_pretrained(home, dtype=torch.float32, output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
            sys.exit(f"weights do not fit: {info}")
        if apart.is_dir():
            model = with_adapter(model, adapter)
        with torch.inference_mode():
            made = model.eval()(**load_file(inputs))
        tensors = {
            name: value.float().contiguous().clone()
            for name, value in made.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point() and name != "loss"
        }
        save_file(tensors, output)


def with_adapter(model: Any, folder: Path) -> Any:
    """By PEFT, or by the code that lies beside an adapter that is none of PEFT's."""
    if (folder / "adapter_config.json").exists():
        import peft

        return peft.PeftModel.from_pretrained(model, str(folder))
    return runpy.run_path(str(folder / "bottleneck.py"))["load"](model, str(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
