"""A checkpoint's config.json as it is written, before transformers makes something of it."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problem, nearest
from pipeline.models.origin import WHERE


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises BadInput where there is none, or it is broken."""
    if (folder / "adapter_config.json").is_file():
        what = f"{folder} holds an adapter, not a model"
        raise BadInput(Problem(WHERE, what, "the model that the adapter was merged into"))
    path = folder / "config.json"
    if not path.is_file():
        what = f"{folder} has no config.json, so it holds no checkpoint of transformers"
        raise BadInput(Problem(WHERE, what, "a folder with config.json, weights and tokenizer"))
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(Problem(str(path), f"is not JSON: {error}")) from error
    except OSError as error:
        raise BadInput(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    if not isinstance(written, dict):
        raise BadInput(Problem(str(path), "is not a JSON object"))
    return written


def check_known(written: dict[str, Any], folder: str) -> None:
    """Raises BadInput for an architecture that transformers does not have itself."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    kind = written.get("model_type", "")
    if kind in CONFIG_MAPPING:
        return
    if "auto_map" in written:
        what = f"{folder} needs Python code of its own (trust_remote_code), which this program never runs"
        raise BadInput(Problem(WHERE, what, "a checkpoint of an architecture that is part of transformers"))
    what = f"{folder}/config.json: transformers {transformers.__version__} has no model_type {kind!r}"
    allowed = "an architecture of transformers, named in model_type"
    raise BadInput(Problem(WHERE, what, allowed, nearest(str(kind), CONFIG_MAPPING_NAMES)))
