"""Rows to the features of the task `masked_lm`."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.tasks.encoding import longest_input
from pipeline.tasks.language.documents import around, texts_of
from pipeline.tasks.language.sentence_pairs import IS_NEXT, pairs, sentences
from pipeline.tasks.language.text_blocks import blocks, longest
from pipeline.tasks.language.word_tokens import Tokens, special, tokens_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pipeline.tasks.masked_lm import MaskedLM

# How texts may write the mask, whatever the tokenizer calls it.
WRITTEN = "[MASK]"


class MaskedEncoding:
    """How a task encodes for one tokenizer. Raises BadInput for one without a mask."""

    def __init__(self, task: MaskedLM, tokenizer: PreTrainedTokenizerBase, default_length: int) -> None:
        if tokenizer.mask_token_id is None:
            what = f"{type(tokenizer).__name__} has no mask token"
            raise BadInput(Problem("model.checkpoint", what, "a model that was trained with masks"))
        self.task, self.tokenizer = task, tokenizer
        self.length = longest_input(tokenizer, task.max_length, default_length, pair=task.next_sentence)
        self.before, self.behind = around(tokenizer)

    def learned(self, column: Sequence[Any]) -> dict[str, list[Any]]:
        """Blocks, with what masking needs; see :meth:`MaskedLM.encode`."""
        texts = texts_of(column)
        features = self._pairs(texts) if self.task.next_sentence else self._blocks(texts)
        features["seed"] = [
            zlib.crc32(",".join(map(str, ids)).encode(), self.task.mask_seed) for ids in features["input_ids"]
        ]
        return features

    def asked(self, column: Sequence[Any]) -> dict[str, list[Any]]:
        """Blocks of each text alone. Raises BadInput for texts without a mask."""
        texts = [text.replace(WRITTEN, self.tokenizer.mask_token) for text in texts_of(column)]
        if any(self.tokenizer.mask_token not in text for text in texts):
            raise BadInput(Problem("data.columns.text", "has no mask", f"a text with {WRITTEN} in it"))
        made = tokens_of(texts, self.tokenizer, whole_words=False)
        return self._features([(row, self._wrapped(part)) for row, part in self._cut(made, joined=False)])

    def _cut(self, documents: list[Tokens], joined: bool) -> list[tuple[int, Tokens]]:
        room = self.length - len(self.before) - len(self.behind)
        end = (
            self.tokenizer.sep_token_id
            if self.tokenizer.sep_token_id is not None
            else self.tokenizer.eos_token_id
        )
        between = special([] if end is None else [end])
        return blocks(documents, room, between if joined else None)

    def _wrapped(self, tokens: Tokens) -> Tokens:
        return special(self.before) + tokens + special(self.behind)

    def _blocks(self, texts: list[str]) -> dict[str, list[Any]]:
        made = tokens_of(texts, self.tokenizer, self.task.whole_words)
        made = [tokens if text.strip() else special([]) for text, tokens in zip(texts, made, strict=True)]
        found = [(row, self._wrapped(part)) for row, part in self._cut(made, self.task.join)]
        # A table must have a row, and this one adds nothing to any sum.
        return self._features(found or [(0, self._wrapped(special([])))])

    def _pairs(self, texts: list[str]) -> dict[str, list[Any]]:
        before, between, behind = self._around_pair()
        room = self.length - len(before) - len(between) - len(behind)
        documents = []
        for text in texts:
            parts = tokens_of(sentences(text), self.tokenizer, self.task.whole_words) if text.strip() else []
            documents.append([part for tokens in parts for part in longest(tokens, max(1, room // 2))])
        # The same rows make the same pairs, whatever else is drawn.
        found = pairs(
            documents, room, random.Random(zlib.crc32("\0".join(texts).encode(), self.task.mask_seed))
        )
        whole, types = [], []
        for pair in found:
            first = special(before) + pair.first + special(between)
            second = pair.second + special(behind)
            whole.append((pair.row, first + second))
            types.append([0] * len(first) + [1] * len(second))
        labels = [pair.label for pair in found]
        if not found:
            whole, types, labels = [(0, special([*before, *behind]))], [[0] * len(before + behind)], [IS_NEXT]
        features = self._features(whole)
        if "token_type_ids" in features:
            features["token_type_ids"] = types
        return {**features, "next_sentence": labels}

    def _around_pair(self) -> tuple[list[int], list[int], list[int]]:
        """Special tokens before, between and behind two texts."""
        whole = self.tokenizer("a", "a", return_token_type_ids=False)["input_ids"]
        plain = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        starts = [i for i in range(len(whole)) if whole[i : i + len(plain)] == plain]
        first, second = starts[0], starts[-1]
        return whole[:first], whole[first + len(plain) : second], whole[second + len(plain) :]

    def _features(self, found: Sequence[tuple[int, Tokens]]) -> dict[str, list[Any]]:
        features: dict[str, list[Any]] = {
            "input_ids": [tokens.ids for _, tokens in found],
            "words": [tokens.words() for _, tokens in found],
            "row": [row for row, _ in found],
            "length": [len(tokens) for _, tokens in found],
            "truncated": [False] * len(found),
        }
        if "token_type_ids" in self.tokenizer.model_input_names:
            features["token_type_ids"] = [[0] * len(tokens) for _, tokens in found]
        return features
