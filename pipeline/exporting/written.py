"""What a format leaves behind to be proven, and the files that go with weights of any form."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.runs.verification import Loader

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = (".safetensors", ".safetensors.index.json")
# Of the run's model/: weights by another name.
_ADAPTER = "adapter"


@dataclass(frozen=True)
class Written:
    """How a written folder is loaded again, and what it must then compute on a batch.

    base: where what an adapter is for lies on this machine, if the adapter names a hub.
    """

    loader: Loader
    inputs: dict[str, Tensor]
    expected: dict[str, Tensor]
    base: str | None = None


def copy_beside(model: Path, folder: Path, *, weights: bool = False) -> None:
    """Everything in a run's ``model/`` but its weights (with ``weights`` those too) and its adapter: configuration with
    labels, tokenizer with chat template, generation settings, what the task needs to be used."""
    for entry in model.iterdir():
        if entry.is_dir() and entry.name != _ADAPTER:
            shutil.copytree(entry, folder / entry.name, dirs_exist_ok=True)
        elif entry.is_file() and (weights or not entry.name.endswith(_WEIGHTS)):
            shutil.copy(entry, folder / entry.name)
