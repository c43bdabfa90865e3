"""Texts to tokens that know which of them make a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem
from pipeline.tasks.language.masking import NO_WORD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class Tokens:
    """ids, and for each whether it begins a word; None for a token that may not be masked."""

    ids: list[int]
    begins: list[bool | None]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> Tokens:
        return Tokens(self.ids[part], self.begins[part])

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.ids + other.ids, self.begins + other.begins)

    def words(self) -> list[int]:
        """The place that stands for each token's word: ascending from 0; NO_WORD for tokens that are of none."""
        found, number = [], -1
        for place, begins in enumerate(self.begins):
            # What a block begins with may be the rest of a word that another block has the start of.
            number += bool(begins) or (begins is False and (number < 0 or self.begins[place - 1] is None))
            found.append(NO_WORD if begins is None else number)
        return found


def special(ids: Sequence[int]) -> Tokens:
    return Tokens(list(ids), [None] * len(ids))


def tokens_of(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, whole_words: bool) -> list[Tokens]:
    """Tokens of each text without those that go around it. whole_words: else every token is a word of its own.

    Raises BadInput for a tokenizer that does not know words.
    """
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)
    ids = encoded["input_ids"]
    if not whole_words:
        return [Tokens(list(one), [True] * len(one)) for one in ids]
    known = tokenizer("a a", add_special_tokens=False).encodings
    if known is None or len(set(known[0].word_ids)) < 2:
        what = f"{type(tokenizer).__name__} does not know which tokens make a word"
        allowed = "false, or a checkpoint with a fast tokenizer that cuts at spaces"
        raise BadInput(Problem("task.whole_words", what, allowed))
    found = []
    for one, encoding in zip(ids, encoded.encodings, strict=True):
        numbers = encoding.word_ids
        begins = [i == 0 or numbers[i] != numbers[i - 1] for i in range(len(numbers))]
        found.append(Tokens(list(one), list(begins)))
    return found
