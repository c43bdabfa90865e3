"""Texts to token numbers and padded batches, with whatever tokenizer a checkpoint has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


def longest_input(tokenizer: PreTrainedTokenizerBase, asked: int | None, default: int, pair: bool) -> int:
    """The length in tokens that inputs are cut to.

    Raises BadInput where the model cannot take that much, or where special tokens leave no room for text.
    """
    most = tokenizer.model_max_length
    if asked is None:
        return min(default, most)
    least = tokenizer.num_special_tokens_to_add(pair=pair) + (2 if pair else 1)
    if not least <= asked <= most:
        at_most = f" to {most}" if most < 10**9 else " or more"
        raise BadInput(Problem("task.max_length", f"{asked} does not suit the model", f"{least}{at_most}"))
    return asked


def encode_texts(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int | None,
    default_length: int,
) -> dict[str, list[Any]]:
    """What the tokenizer makes for its model, unpadded, with ``length`` and ``truncated`` of each row."""
    for name, column in (("text", texts), ("text_pair", pairs or ())):
        if not all(isinstance(value, str) for value in column):
            wrong = next(value for value in column if not isinstance(value, str))
            raise BadInput(Problem(f"data.columns.{name}", f"no text, but {wrong!r:.40}", "a text"))
    limit = longest_input(tokenizer, max_length, default_length, pair=pairs is not None)
    both = (list(texts),) if pairs is None else (list(texts), list(pairs))
    encoded = tokenizer(*both, truncation=True, max_length=limit, return_attention_mask=False, verbose=False)
    features = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
    # GPT-2's tokenizer makes nothing of an empty text, of which no model can make anything.
    features["input_ids"] = [ids or [tokenizer.pad_token_id] for ids in features["input_ids"]]
    features["length"] = [len(ids) for ids in features["input_ids"]]
    if encoded.encodings is not None:
        features["truncated"] = [bool(encoding.overflowing) for encoding in encoded.encodings]
    else:
        whole = tokenizer(*both, return_attention_mask=False, verbose=False)["input_ids"]
        features["truncated"] = [len(ids) > limit for ids in whole]
    return features


def pad(
    features: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, multiple: int | None
) -> dict[str, Tensor]:
    """The features that the model takes, padded to the longest, and the ``attention_mask``."""
    names = [name for name in tokenizer.model_input_names if name in features[0]]
    # The tokenizer advises to pad while encoding, which would pad to the longest of a thousand rows.
    tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
    batch = tokenizer.pad(
        {name: [row[name] for row in features] for name in names},
        padding=True,
        pad_to_multiple_of=multiple,
        return_attention_mask=True,
        return_tensors="pt",
    )
    return dict(batch)
