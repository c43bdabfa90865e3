"""Pairs of segments for next-sentence prediction, as BERT's `create_pretraining_data.py` makes them.

Devlin et al. 2019, arXiv:1810.04805, section 3.1: half of the second segments follow the first ones, half come from
another document. Every token of every document is in some pair.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.tasks.language.word_tokens import Tokens

# Behind the mark that ends a sentence, and at line ends.
_SENTENCE_END = re.compile(r"(?<=[.!?؟…])\s+|(?<=[。！？])\s*|\s*\n\s*")
_RANDOM = 0.5
IS_NEXT, IS_RANDOM = 0, 1  # as transformers numbers them


@dataclass(frozen=True)
class Pair:
    """label: IS_NEXT where ``second`` follows ``first`` in the document ``row``, else IS_RANDOM."""

    row: int
    first: Tokens
    second: Tokens
    label: int


def sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence]


def pairs(documents: Sequence[Sequence[Tokens]], room: int, draw: random.Random) -> list[Pair]:
    """Pairs of at most ``room`` tokens together. documents: their sentences, none longer than half of ``room``.

    The second segment of a random pair is from another of these documents, or from another place of the only one.
    """
    filled = [row for row, document in enumerate(documents) if document]
    found = []
    for row in filled:
        document, start = documents[row], 0
        while start < len(document):
            end = _fill(document, start, room)
            cut = draw.randint(start + 1, end - 1) if end - start > 1 else end
            first = _joined(document[start:cut])
            if end - start > 1 and draw.random() >= _RANDOM:
                found.append(Pair(row, first, _joined(document[cut:end]), IS_NEXT))
                start = end
                continue
            second = _elsewhere(documents, filled, row, cut, room, draw)[: room - len(first)]
            found.append(Pair(row, first, second, IS_RANDOM))
            start = cut  # What was not used begins the next pair.
    return found


def _fill(document: Sequence[Tokens], start: int, room: int) -> int:
    """The end of the sentences from ``start`` that fit into ``room``; at least one does."""
    size, end = len(document[start]), start + 1
    while end < len(document) and size + len(document[end]) <= room:
        size += len(document[end])
        end += 1
    return end


def _elsewhere(
    documents: Sequence[Sequence[Tokens]],
    filled: Sequence[int],
    row: int,
    cut: int,
    room: int,
    draw: random.Random,
) -> Tokens:
    """At least ``room`` tokens, where a document has them: the caller cuts off what is too much."""
    others = [other for other in draw.sample(filled, min(2, len(filled))) if other != row]
    document = documents[others[0] if others else row]
    places = [place for place in range(len(document)) if others or place != cut] or [0]
    start = draw.choice(places)
    return _joined(document[start : _fill(document, start, room) + 1])


def _joined(sentences: Sequence[Tokens]) -> Tokens:
    ids = [token for sentence in sentences for token in sentence.ids]
    return Tokens(ids, [begins for sentence in sentences for begins in sentence.begins])
