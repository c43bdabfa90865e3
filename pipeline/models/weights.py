"""Whether a checkpoint's weights are there and whole, without reading them: before a run is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing
from pipeline.models.origin import OLD_WEIGHTS, WEIGHTS, WHERE, has_file

if TYPE_CHECKING:
    from torch import Tensor

_INDEX = "model.safetensors.index.json"
WHOLE = "whole safetensors files, or torch files that hold nothing but tensors"


def check_weights(folder: str) -> None:
    """Raises BadInput for a folder without weights, with a missing part, or with a broken safetensors file.

    Of every safetensors file the header is read, which says how long the file must be.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder)
    if not has_file(path, WEIGHTS + OLD_WEIGHTS):
        files = listing(sorted(file.name for file in path.iterdir()))
        what = f"there are no weights in {folder} (files: {files})"
        raise BadInput(Problem(WHERE, what, "a folder with model.safetensors"))
    if missing := sorted(name for name in _parts(path) if not (path / name).is_file()):
        what = f"parts of the weights in {folder} are missing: {listing(missing)}"
        raise BadInput(Problem(WHERE, what, f"every file that {_INDEX} names"))
    for pattern in WEIGHTS:
        for file in sorted(path.glob(pattern)):
            try:
                with safe_open(file, framework="numpy") as opened:
                    opened.keys()
            except (SafetensorError, OSError) as error:
                what = f"the weights in {folder} cannot be read: {file.name}: {error}"
                raise BadInput(Problem(WHERE, what, WHOLE)) from error


def named_weights(folder: str) -> dict[str, Tensor]:
    """The weights in ``folder`` by name, on the meta device: of safetensors files only the headers are read.

    Raises OSError, or what safetensors and pickle raise, for files that cannot be read.
    """
    from transformers.modeling_utils import load_state_dict

    path = Path(folder)
    whole, parts = path / "model.safetensors", sorted(_parts(path))
    files = [whole] if whole.is_file() else [path / name for name in parts]
    files = files or sorted(path.glob(WEIGHTS[0])) or sorted(path.glob(OLD_WEIGHTS[0]))
    return {
        name: weight
        for file in files
        for name, weight in load_state_dict(str(file), map_location="meta").items()
    }


def _parts(folder: Path) -> set[str]:
    index = folder / _INDEX
    if not index.is_file():
        return set()
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(Problem(str(index), f"is no index of weights: {error!r}")) from error
