"""Loads what a run left in `model/` as anyone would, and prints what it computes.

Run in a process of its own, as `python -I reload.py MODEL INPUTS OUTPUT`: with plain transformers, without this
package, without a network and with an empty cache. INPUTS holds a batch, and beside it, as .json, texts.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def main(model_folder: str, inputs: str, output: str) -> None:
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as empty:
        os.environ.update(HF_HOME=empty, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        import torch
        import transformers
        from safetensors.torch import load_file, save_file

        request = json.loads(Path(inputs).with_suffix(".json").read_text(encoding="utf-8"))
        trust = request["trust"]
        tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder, trust_remote_code=trust)
        if [tokenizer(text)["input_ids"] for text in request["texts"]] != request["input_ids"]:
            sys.exit("the tokenizer in the folder cuts texts differently from the one that trained")
        auto = getattr(transformers, request["auto_class"])
        model, info = auto.from_pretrained(
            model_folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=trust
        )
        if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
            sys.exit(f"weights do not fit: {info}")
        with torch.inference_mode():
            made = model.eval()(**load_file(inputs))
        tensors = {
            name: value.float().contiguous().clone()
            for name, value in made.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point() and name != "loss"
        }
        save_file(tensors, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
