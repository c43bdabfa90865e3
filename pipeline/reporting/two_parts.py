"""How a model is loaded whose adapter could not be merged: for the model card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.runs.directory import RunDirectory


def use_of_two_parts(run: RunDirectory) -> str | None:
    """Text and Python that load `model/base` and put `model/adapter` on it; None for a model that is whole."""
    base, adapter = run.model / "base", run.model / "adapter"
    if not base.is_dir():
        return None
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    kind = config["architectures"][0]
    by_peft = (adapter / "adapter_config.json").exists()
    put = (
        'model = PeftModel.from_pretrained(base, "model/adapter")'
        if by_peft
        else 'load = runpy.run_path("model/adapter/bottleneck.py")["load"]\nmodel = load(base, "model/adapter")'
    )
    code = "\n".join(
        [
            *([] if by_peft else ["import runpy\n"]),
            *(["from peft import PeftModel"] if by_peft else []),
            f"from transformers import AutoTokenizer, {kind}\n",
            f'base = {kind}.from_pretrained("model/base")',
            put,
            'tokenizer = AutoTokenizer.from_pretrained("model/base")',
        ]
    )
    return (
        "What was learned beside the head cannot be merged into the weights, so the model is two parts: `model/base`, "
        "which says nothing sensible by itself, and `model/adapter`:\n\n```python\n" + code + "\n```"
    )
