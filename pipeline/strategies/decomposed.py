"""LoRA that starts from a part of the weights (PiSSA, OLoRA) and takes that part out of them.

Its A and B by themselves belong to what is left of the weights, which nobody else has. With
``W = rest + s B0 A0`` before training, what was learned is ``s (B A - B0 A0) = s [B, -B0] [A; A0]``: a plain LoRA of
twice the rank on the weights as they were pretrained. A run that is resumed decomposes them again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_START = "lora_start"


def remember_start(model: Any) -> None:
    """Keep A and B of an adapted model as they are before training."""
    setattr(model, _START, _low_rank(model))


def save_as_plain(model: Any, folder: str) -> None:
    """Make of what PEFT saved of ``model`` in ``folder`` the plain LoRA that it comes to."""
    import torch
    from safetensors.torch import load_file, save_file

    weights_file, config_file = (
        Path(folder) / "adapter_model.safetensors",
        Path(folder) / "adapter_config.json",
    )
    weights, start = load_file(weights_file), getattr(model, _START)
    for name, tensor in _low_rank(model).items():
        first = start[name]
        if "lora_A" in name:
            weights[name] = torch.cat([tensor, first], dim=0)
        else:
            weights[name] = torch.cat([tensor, -first], dim=1)
    save_file(weights, weights_file, metadata={"format": "pt"})
    config = json.loads(config_file.read_text(encoding="utf-8"))
    # Twice the rank with the same scale.
    louder = 2**0.5 if config["use_rslora"] else 2
    config["init_lora_weights"] = True
    config["r"], config["lora_alpha"] = 2 * config["r"], louder * config["lora_alpha"]
    config["rank_pattern"] = {name: 2 * rank for name, rank in config["rank_pattern"].items()}
    config["alpha_pattern"] = {name: louder * alpha for name, alpha in config["alpha_pattern"].items()}
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _low_rank(model: Any) -> dict[str, Tensor]:
    """Copies of A and B on the CPU, by the names that PEFT saves them under."""
    from peft import get_peft_model_state_dict

    # A copy: the trained values must not show in those of the start.
    saved = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {
        name: tensor.detach().cpu().clone()
        for name, tensor in saved.items()
        if ".lora_A." in name or ".lora_B." in name
    }
