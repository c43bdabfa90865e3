"""Words to the tokens that stand for them, in windows over long texts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.tasks.tagging.schemes import continued
from pipeline.tasks.tagging.words import Words, joined
from pipeline.tasks.token_loss import IGNORED
from pipeline.tasks.windows import cut_behind, owner

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pipeline.tasks.base import Head

Which = Literal["first", "last", "all"]


def windows(
    words: Sequence[Words],
    tags: Sequence[Sequence[int]] | None,
    tokenizer: PreTrainedTokenizerBase,
    head: Head,
    *,
    limit: int,
    stride: int,
    which: Which,
) -> dict[str, list[Any]]:
    """The features of rows, as :meth:`pipeline.tasks.token_classification.TokenClassification.encode` says.

    tags: a class number for each word of each row; None where they are not known. limit: tokens of a window, with
    special ones. stride: tokens that windows share.
    """
    # A model that was trained on given words reads those of a text as it read them.
    read = [row if head["input"] == "text" else joined(row.list()) for row in words]
    with cut_behind(tokenizer):
        encoded = tokenizer(
            [row.text for row in read],
            truncation=True,
            max_length=limit,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            verbose=False,
        )
    names = [name for name in tokenizer.model_input_names if name in encoded]
    numbers: list[list[int]] = [[] for _ in words]
    for number, row in enumerate(encoded["overflow_to_sample_mapping"]):
        numbers[row].append(number)
    step = limit - tokenizer.num_special_tokens_to_add(pair=False) - stride
    features: dict[str, list[Any]] = {
        name: [] for name in (*names, "length", "truncated", "row", "places", "words")
    }
    if tags is not None:
        features["labels"] = []
    for row, mine in enumerate(numbers):
        inner = [
            [place for place, special in enumerate(encoded["special_tokens_mask"][number]) if not special]
            for number in mine
        ]
        stands = _tokens_of_words(
            read[row], [encoded["offset_mapping"][number] for number in mine], inner, step, which
        )
        for window, number in enumerate(mine):
            # GPT-2's tokenizer makes nothing of an empty text, of which no model can make anything.
            blank = not encoded["input_ids"][number]
            for name in names:
                empty = [tokenizer.pad_token_id if name == "input_ids" else 0]
                features[name].append(empty if blank else encoded[name][number])
            features["length"].append(len(features["input_ids"][-1]))
            features["truncated"].append(False)
            features["row"].append(row)
            features["places"].append([tokens[0] for _, tokens in stands[window]])
            features["words"].append([word for word, _ in stands[window]])
            if tags is not None:
                features["labels"].append(_labels(features["length"][-1], stands[window], tags[row], head))
    return features


def _tokens_of_words(
    words: Words,
    offsets: Sequence[Sequence[tuple[int, int]]],
    inner: Sequence[Sequence[int]],
    step: int,
    which: Which,
) -> list[list[tuple[int, list[int]]]]:
    """For each window the words that are told there: number, and places of the tokens that stand for it.

    offsets: of every token of every window. inner: the places of the tokens that are not special.
    A token is of the word that its first character is of, blanks apart.
    """
    starts = [start for start, _ in words.spans]
    # Number in the whole text -> word; windows repeat what they share.
    of_word: dict[int, list[int]] = {}
    seen = 0
    for window, places in enumerate(inner):
        for index, place in enumerate(places):
            number = window * step + index
            if number < seen:
                continue
            seen = number + 1
            word = _word_at(words, starts, offsets[window][place])
            if word is not None:
                of_word.setdefault(word, []).append(number)
    lengths = [len(places) for places in inner]
    told: list[list[tuple[int, list[int]]]] = [[] for _ in inner]
    for word, tokens in sorted(of_word.items()):
        tokens = {"first": tokens[:1], "last": tokens[-1:], "all": tokens}[which]
        window = owner(tokens[0], step, lengths)
        start = window * step
        here = [token - start for token in tokens if token - start < lengths[window]]
        told[window].append((word, [inner[window][index] for index in here]))
    return told


def _word_at(words: Words, starts: Sequence[int], offset: tuple[int, int]) -> int | None:
    text = words.text[offset[0] : offset[1]]
    if not text.strip():
        return None
    first = offset[0] + len(text) - len(text.lstrip())
    word = bisect_right(starts, first) - 1
    # Empty words begin where the next one does, or a space does.
    return word if word >= 0 and first < words.spans[word][1] else None


def _labels(length: int, told: Sequence[tuple[int, list[int]]], tags: Sequence[int], head: Head) -> list[int]:
    labels = [IGNORED] * length
    names: list[str] = head["labels"]
    for word, (first, *others) in told:
        labels[first] = tags[word]
        if others:
            inside = names.index(continued(names[tags[word]], head["scheme"]))
            for place in others:
                labels[place] = inside
    return labels
