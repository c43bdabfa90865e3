"""Predictions of masks to the words they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.tasks.language.masked_encoding import WRITTEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def filled(text: str, blocks: Sequence[Any], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """``text`` with its masks replaced, and what was predicted for each.

    blocks: for each block of the text, for each of its masks, pairs of a token's number and its probability.
    """
    masks = [
        [{"token": str(tokenizer.decode([number])).strip(), "score": score} for number, score in mask]
        for block in blocks
        for mask in block
    ]
    parts = text.replace(WRITTEN, tokenizer.mask_token).split(tokenizer.mask_token)
    words = [mask[0]["token"] for mask in masks]
    # A continuation of the word before it, as WordPiece writes it.
    pairs = zip(words, parts[1:], strict=False)
    whole = parts[0] + "".join(word.removeprefix("##") + part for word, part in pairs)
    return {"filled": whole, "masks": masks}
