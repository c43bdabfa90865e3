"""Bottleneck adapters on a model of transformers: attached, detached, saved and loaded.

This file needs torch and safetensors alone. A copy of it lies beside the adapters that are saved, by which anyone
loads them::

    import runpy

    load = runpy.run_path("model/adapter/bottleneck.py")["load"]
    model = load(AutoModelForSequenceClassification.from_pretrained("model/base"), "model/adapter")
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

CONFIG, WEIGHTS, CODE = "bottleneck.json", "bottleneck.safetensors", "bottleneck.py"
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
# Name of the adapter in the module that it belongs to, and of what is kept in the model.
_ADAPTER, _KEPT = "bottleneck", "bottleneck_adapters"


class Bottleneck(nn.Module):
    """``h + W2 f(W1 h)`` for hidden states h (…, size)."""

    def __init__(self, size: int, reduction_factor: int, activation: str) -> None:
        super().__init__()
        width = max(1, size // reduction_factor)
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        self.activation = _ACTIVATIONS[activation]()
        nn.init.normal_(self.down.weight, std=0.02)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.up(self.activation(self.down(hidden)))


def attach(model: Any, names: Iterable[str], reduction_factor: int, activation: str) -> Any:
    """Send the output of the modules with these full names through an adapter each. Their own names stay."""
    hooks = []
    for name in names:
        module = model.get_submodule(name)
        # A transposed weight (GPT-2's) is (in, out).
        size = module.out_features if isinstance(module, nn.Linear) else module.weight.shape[1]
        with torch.device(module.weight.device):
            setattr(module, _ADAPTER, Bottleneck(size, reduction_factor, activation))
        hooks.append((name, module.register_forward_hook(_through_adapter)))
    setattr(model, _KEPT, {"reduction_factor": reduction_factor, "activation": activation, "hooks": hooks})
    return model


def _through_adapter(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return getattr(module, _ADAPTER)(output)


def detach(model: Any) -> Any:
    """The model as it was before :func:`attach`."""
    for name, hook in getattr(model, _KEPT)["hooks"]:
        hook.remove()
        delattr(model.get_submodule(name), _ADAPTER)
    delattr(model, _KEPT)
    return model


def save(model: Any, folder: str) -> Sequence[str]:
    """Write configuration, weights and this file; their names."""
    from safetensors.torch import save_file

    kept = getattr(model, _KEPT)
    names = [name for name, _ in kept["hooks"]]
    weights = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name in names
        for key, value in getattr(model.get_submodule(name), _ADAPTER).state_dict().items()
    }
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    save_file(weights, path / WEIGHTS)
    config = {
        "reduction_factor": kept["reduction_factor"],
        "activation": kept["activation"],
        "modules": names,
        "base_model_name_or_path": getattr(model, "name_or_path", ""),
    }
    (path / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(__file__, path / CODE)
    return (CONFIG, WEIGHTS, CODE)


def load(model: Any, folder: str) -> Any:
    """``model`` with the adapters that lie in ``folder``, in eval mode. Raises RuntimeError where they do not fit."""
    from safetensors.torch import load_file

    path = Path(folder)
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    weights = load_file(path / WEIGHTS)
    attach(model, config["modules"], config["reduction_factor"], config["activation"])
    for name in config["modules"]:
        adapter = getattr(model.get_submodule(name), _ADAPTER)
        start = f"{name}."
        adapter.load_state_dict({k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)})
    return model.eval()
