"""Checkpoints in one GGUF file, as llama.cpp writes them, made into a plain folder that transformers loads.

The file's numbers are unpacked to float32 once and kept in the cache. What the quantization took from them is gone: a
model that is tuned from a 4-bit file starts from a little worse weights than the original.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SUFFIX = ".gguf"
# Changes when folders that older versions made must not be read any more.
_FORMAT = 2
_NEEDED = ("gguf", "accelerate")
# Values of `tokenizer.ggml.pre` whose tokenizers take every digit for itself (llama.cpp, `llama-vocab.cpp`), which
# transformers does not know of.
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "codeshell", "command-r", "exaone", "minerva-7b")
# Code may lie beside the file, which is never run.
_PLAIN: Any = {"trust_remote_code": False, "local_files_only": True}
_SPECIAL = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}


def fingerprint(file_fingerprint: str) -> str:
    """What identifies the checkpoint made of a file with this fingerprint."""
    return hashlib.sha256(f"gguf {_FORMAT}\0{file_fingerprint}".encode()).hexdigest()


def converted(file: Path, file_fingerprint: str, where: str) -> Path:
    """The folder with ``config.json``, weights in float32 and the tokenizer with its chat template, made once.

    Raises BadInput without the extra ``gguf``, and for a file that is broken or of an architecture whose GGUF
    files transformers does not read.
    """
    from pipeline.fetch.cache import entry

    return entry("gguf", fingerprint(file_fingerprint), lambda folder: _convert(file, folder, where))


def _convert(file: Path, folder: Path, where: str) -> None:
    # Not a matter of a failed import: accelerate is asked for only deep inside transformers.
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        what = f"{file.name} is a GGUF file, and to read it needs the package{'s' * (len(missing) > 1)} "
        raise BadInput(Problem(where, what + " and ".join(missing), "pip install 'hydratune[gguf]'"))
    from huggingface_hub.errors import StrictDataclassError

    from pipeline.models.loading import quiet

    # Whatever a broken file makes transformers and gguf stumble over.
    broken: tuple[type[Exception], ...] = (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
    )
    broken += (OSError, RuntimeError, AssertionError, MemoryError, struct.error, StrictDataclassError)
    try:
        with quiet():
            _model(file).save_pretrained(folder)
            _tokenizer(file).save_pretrained(folder)
    except broken as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The disk is full, or the like: nothing is wrong with the file.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        what = f"the GGUF file {file} cannot be read: {reason}"
        raise BadInput(
            Problem(where, what, "a whole GGUF file of an architecture that transformers reads")
        ) from error


def _model(file: Path) -> PreTrainedModel:
    """The model as if it had never been quantized: transformers saves none that it holds to be so."""
    import torch
    import transformers
    from transformers.utils.quantization_config import GgufConfig

    from pipeline.models.heads import auto_class

    config = transformers.AutoConfig.from_pretrained(file.parent, gguf_file=file.name, **_PLAIN)
    auto = getattr(transformers, auto_class(config, ("causal_lm", "seq2seq_lm", "backbone")))
    loaded = auto.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        **_PLAIN,
    )
    # In the file this is a title, which looks like an address and is none.
    vars(config).pop("_model_name_or_path", None)
    with torch.device("meta"):
        plain = auto.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.tie_weights()
    return plain


def _tokenizer(file: Path) -> PreTrainedTokenizerBase:
    from gguf import GGUFReader
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, **_PLAIN)
    words, reader = tokenizer.backend_tokenizer, GGUFReader(file)
    if _said(reader, "model") == "gpt2":
        # transformers 5.17 strips spaces, as if it were SentencePiece, and takes special tokens for one another.
        words.decoder = decoders.ByteLevel()
        tokenizer.clean_up_tokenization_spaces = False
        for ours, theirs in _SPECIAL.items():
            if (number := _said(reader, f"{theirs}_token_id")) is not None:
                setattr(tokenizer, f"{ours}_token", tokenizer.convert_ids_to_tokens(int(number)))
    if _said(reader, "pre") in _SINGLE_DIGITS:
        words.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), words.pre_tokenizer]
        )
    return tokenizer


def _said(reader: GGUFReader, what: str) -> str | None:
    """What the file says of its tokenizer, such as the name of the rule by which it cuts text into words."""
    field = reader.get_field(f"tokenizer.ggml.{what}")
    return None if field is None else str(field.contents())
