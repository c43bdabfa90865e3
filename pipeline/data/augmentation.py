"""Training examples with words left out, exchanged or masked: other ones in every epoch, of the same seed the same.

What becomes of an example depends on the run's seed, the epoch and the example's number alone: not on the process or
worker that reads it, the batch that it is in, or where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pipeline.data.batches import EpochBatches
    from pipeline.sources.base import Augmentation

# Keeps these draws apart from others of the same seed and epoch.
_DRAWS = 1_901_11196
# How tokenizers write a token that begins a word, and one that goes on with it.
_BEGINS, _GOES_ON = ("Ġ", "▁"), "##"


class Words:
    """Where the texts of an encoded row lie, and the words in them.

    A text is what stands between special tokens. Where a word begins is told by how the tokenizer writes its tokens:
    ``##ing`` goes on with a word, ``Ġthe`` and ``▁the`` begin one. Where it marks neither, every token is a word.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        vocabulary = tokenizer.get_vocab()
        marks = {mark: sum(token.startswith(mark) for token in vocabulary) for mark in (*_BEGINS, _GOES_ON)}
        mark = max(marks, key=marks.__getitem__)
        self.begins = np.ones(max(vocabulary.values(), default=0) + 1, dtype=bool)
        if marks[mark]:
            for token, number in vocabulary.items():
                self.begins[number] = token.startswith(mark) != (mark == _GOES_ON)
        # A word that the vocabulary lacks is a word, though its token is among the special ones.
        kept = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        unknown = {tokenizer.unk_token_id} - {*kept, tokenizer.sep_token_id, tokenizer.cls_token_id}
        self.special = set(tokenizer.all_special_ids) - unknown

    def texts(self, ids: Sequence[int]) -> list[list[range]]:
        """The places of each word of each text."""
        texts: list[list[range]] = []
        inside = False
        for place, token in enumerate(ids):
            if token in self.special:
                inside = False
            elif not inside:
                texts.append([range(place, place + 1)])
                inside = True
            elif self.begins[token]:
                texts[-1].append(range(place, place + 1))
            else:
                texts[-1][-1] = range(texts[-1][-1].start, place + 1)
        return texts


class WordChanges:
    """Random deletion and random swap of words (Wei and Zou 2019, arXiv:1901.11196), and masking of tokens.

    Each word is swapped with another of its text with probability ``swap``, then left out with probability
    ``deletion``; each token of what is left is masked with probability ``mask``. At least one word of a text stays,
    and one token of it unmasked. Raises BadInput for ``mask`` with a tokenizer that has no mask token.
    """

    def __init__(self, augmentation: Augmentation, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        if augmentation.mask and tokenizer.mask_token_id is None:
            what = "the model's tokenizer has no mask token"
            raise BadInput(
                Problem("data.augmentation.mask", what, "0, or a model that has one, as model=bert")
            )
        self.deletion, self.swap, self.mask = augmentation.deletion, augmentation.swap, augmentation.mask
        self.words, self.seed = Words(tokenizer), seed
        self.mask_id: Any = tokenizer.mask_token_id
        self.names = tokenizer.model_input_names

    def __call__(self, row: Mapping[str, Any], epoch: int, number: int) -> dict[str, Any]:
        """An encoded row as it is read in ``epoch``. Its inputs may be lists of several texts' inputs."""
        draw = np.random.default_rng([self.seed, epoch, number, _DRAWS])
        names = [name for name in self.names if name in row]
        if not isinstance(row["input_ids"][0], list):
            inputs = self.changed({name: row[name] for name in names}, draw)
            return {**row, **inputs, "length": len(inputs["input_ids"])}
        parts = [
            self.changed({name: row[name][i] for name in names}, draw) for i in range(len(row["input_ids"]))
        ]
        together = {name: [part[name] for part in parts] for name in names}
        return {**row, **together, "length": sum(map(len, together["input_ids"]))}

    def changed(self, inputs: Mapping[str, list[int]], draw: np.random.Generator) -> dict[str, list[int]]:
        """Inputs of one sequence of tokens: ``input_ids``, and others that are as long."""
        ids = inputs["input_ids"]
        order: list[int] = []
        hidden: list[int] = []
        last = 0
        for words in self.words.texts(ids):
            order += range(last, words[0].start)
            last = words[-1].stop
            places = [place for word in self._rearranged(words, draw) for place in word]
            if self.mask:
                masked = _some(len(places), self.mask, draw)
                hidden += [len(order) + place for place in np.flatnonzero(masked).tolist()]
            order += places
        order += range(last, len(ids))
        changed = {name: [values[place] for place in order] for name, values in inputs.items()}
        for place in hidden:
            changed["input_ids"][place] = self.mask_id
        return changed

    def _rearranged(self, words: Sequence[range], draw: np.random.Generator) -> list[range]:
        words = list(words)
        if self.swap and len(words) > 1:
            for one in np.flatnonzero(draw.random(len(words)) < self.swap).tolist():
                other = (one + int(draw.integers(1, len(words)))) % len(words)
                words[one], words[other] = words[other], words[one]
        if self.deletion:
            out = _some(len(words), self.deletion, draw)
            words = [word for word, left_out in zip(words, out.tolist(), strict=True) if not left_out]
        return words


def _some(count: int, share: float, draw: np.random.Generator) -> np.ndarray:
    """Each with probability ``share``, but never all."""
    chosen = draw.random(count) < share
    if chosen.all():
        chosen[draw.integers(count)] = False
    return chosen


def changes(augmentation: Augmentation, tokenizer: PreTrainedTokenizerBase, seed: int) -> WordChanges | None:
    """What is done to words, if anything is. Raises BadInput for what the tokenizer does not allow."""
    if not (augmentation.deletion or augmentation.swap or augmentation.mask):
        return None
    return WordChanges(augmentation, tokenizer, seed)


class Augmented:
    """A map-style data set of changed rows, addressed by epoch and number."""

    def __init__(self, rows: Any, changes: WordChanges) -> None:
        self.rows, self.changes = rows, changes

    def __getitems__(self, places: list[tuple[int, int]]) -> list[dict[str, Any]]:
        rows = self.rows.__getitems__([number for _, number in places])
        return [self.changes(row, epoch, number) for (epoch, number), row in zip(places, rows, strict=True)]

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Any]:
        return self.__getitems__([place])[0]

    def __len__(self) -> int:
        return len(self.rows)


class WithEpoch:
    """Training batches whose row numbers come with the epoch that they are read in: workers are not told it."""

    def __init__(self, batches: EpochBatches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch = self.batches.epoch
        for batch in self.batches:
            yield [(epoch, number) for number in batch]

    def __len__(self) -> int:
        return len(self.batches)
