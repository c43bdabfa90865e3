"""A checkpoint's config.json as it is written, and what transformers makes of it and of the tokenizer's files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, nearest
from pipeline.models.origin import WHERE, has_file

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

# A folder without any of these has no tokenizer; transformers would make an empty one without a word.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.*",
    "*.model",
    "*.tiktoken",
    "tekken.json",
)


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


def loaded_config(folder: Path) -> "PretrainedConfig":
    """The configuration that transformers makes of a config.json whose architecture is known. Raises BadInput for one
    that it cannot make sense of."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    from pipeline.models.loading import quiet

    try:
        with quiet():
            return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        what = f"{folder}/config.json cannot be read: {' '.join(str(error).split())}"
        raise BadInput(Problem(WHERE, what)) from error


def loaded_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer whose files are there. Raises BadInput where there are none, or they are broken."""
    from transformers import AutoTokenizer

    from pipeline.models.loading import quiet

    if not has_file(folder, TOKENIZER_FILES):
        allowed = "a folder that holds the model's tokenizer too (tokenizer.json)"
        raise BadInput(Problem(WHERE, f"there is no tokenizer in {folder}", allowed))
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(Problem(WHERE, f"the tokenizer in {folder} cannot be loaded: {error}")) from error
