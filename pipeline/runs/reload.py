"""Loads a saved model as anyone would, and writes what it computes.

Run in a process of its own, as `python -I reload.py MODEL INPUTS OUTPUT`: by plain transformers, PEFT or onnxruntime,
without this package, without a network and with an empty cache. INPUTS holds a batch, and beside it, as .json, what
loads the model, and texts.
"""

import contextlib
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

Outputs = dict[str, Any]


def main(model_folder: str, inputs: str, output: str) -> None:
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as empty:
        os.environ.update(HF_HOME=empty, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        import transformers
        from safetensors.torch import load_file, save_file

        request = json.loads(Path(inputs).with_suffix(".json").read_text(encoding="utf-8"))
        home = _home(model_folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(home, trust_remote_code=request["trust"])
        if [tokenizer(text)["input_ids"] for text in request["texts"]] != request["input_ids"]:
            sys.exit("the tokenizer in the folder cuts texts differently from the one that trained")
        save_file(LOADERS[request["loader"]](model_folder, request, load_file(inputs)), output)


def _home(folder: str) -> str:
    """Where the model itself is: in ``base``, where an adapter lies beside it that could not be merged."""
    apart = Path(folder, "base")
    return str(apart) if Path(folder, "adapter").is_dir() and apart.is_dir() else folder


def by_transformers(folder: str, request: dict[str, Any], batch: Any) -> Outputs:
    """The model, with the adapter on top that could not be merged."""
    import torch
    import transformers

    auto = getattr(transformers, request["auto_class"])
    home = _home(folder)
    model, info = auto.from_pretrained(
        home, dtype=torch.float32, output_loading_info=True, trust_remote_code=request["trust"]
    )
    if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
        sys.exit(f"weights do not fit: {info}")
    return _computed(model if home == folder else _with_adapter(model, Path(folder, "adapter")), batch)


def _with_adapter(model: Any, folder: Path) -> Any:
    """By PEFT, or by the code that lies beside an adapter that is none of PEFT's."""
    if (folder / "adapter_config.json").exists():
        import peft

        return peft.PeftModel.from_pretrained(model, str(folder))
    return runpy.run_path(str(folder / "bottleneck.py"))["load"](model, str(folder))


def by_peft(folder: str, request: dict[str, Any], batch: Any) -> Outputs:
    """The base that the adapter names, seen from its own folder, with the adapter on top. `base`: where the base lies
    that is named by its hub id."""
    import torch
    import transformers
    from peft import PeftConfig, PeftModel

    auto = getattr(transformers, request["auto_class"])
    with contextlib.chdir(folder):
        base = request["base"] or PeftConfig.from_pretrained(".").base_model_name_or_path
        trust = request["trust"]
        config = transformers.AutoConfig.from_pretrained(".", trust_remote_code=trust)
        model = auto.from_pretrained(base, config=config, dtype=torch.float32, trust_remote_code=trust)
        return _computed(PeftModel.from_pretrained(model, "."), batch)


def by_onnxruntime(folder: str, request: dict[str, Any], batch: Any) -> Outputs:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}
    feed = {name: value.numpy() for name, value in batch.items() if name in wanted}
    names = [each.name for each in session.get_outputs()]
    made = zip(names, session.run(names, feed), strict=True)
    return {name: torch.from_numpy(value).contiguous() for name, value in made}


def _computed(model: Any, batch: Any) -> Outputs:
    import torch

    with torch.inference_mode():
        made = model.eval()(**batch)
    return {
        name: value.float().contiguous().clone()
        for name, value in made.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and name != "loss"
    }


LOADERS = {"transformers": by_transformers, "peft": by_peft, "onnx": by_onnxruntime}

if __name__ == "__main__":
    main(*sys.argv[1:])
