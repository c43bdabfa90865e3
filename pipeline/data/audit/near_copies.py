"""Rows of evaluation that differ from a training row in a word or two.

Texts resemble each other by the shingles (runs of three words) that they share: A. Broder, On the resemblance and
containment of documents, 1997; what such copies do is in Lee et al. 2022 (arXiv:2107.06499). MinHash estimates
resemblances; here they are exact, since only a few pairs have to be looked at: of two sets with a Jaccard similarity
of t or more, the |a| - ⌈t·|a|⌉ + 1 rarest members of one and of the other have one in common (R. Bayardo, Y. Ma,
R. Srikant, Scaling up all pairs similarity search, WWW 2007). Evaluation is indexed, training rows go by: memory is
bounded by the smaller side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.audit.copies import shared
from pipeline.data.audit.finding import Finding, count, places
from pipeline.data.audit.subject import TRAIN, text_of
from pipeline.data.audit.words import words

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject

# At least as much of both texts is the same. One word of ten that is another one is three shingles of ten.
ALIKE = 0.8
# In texts of fewer words a single one makes another text.
FEWEST = 8
# What is compared of long texts, in words; and rows of evaluation that are indexed, of each split.
_WORDS, _INDEXED = 200, 10_000
# Candidates that are looked at for one training row: many share a shingle only where texts are made from a form.
_CANDIDATES = 50

# Runs of words, each with the number of the column that it is from.
Shingles = set[tuple[Any, ...]]


def near_copies(subject: Subject) -> list[Finding]:
    if subject.source.overfit is not None or TRAIN not in subject.raw:
        return []
    index = _Index()
    for split in subject.scored:
        rows = np.setdiff1d(subject.sample(split, _INDEXED), shared(subject, split, TRAIN))
        for row, cells in zip(rows, subject.rows(split, subject.roles, rows), strict=True):
            index.add((split, int(row)), shingles(cells))
    index.order()
    twins: dict[tuple[str, int], int] = {}
    sample = subject.sample(TRAIN)
    for row, cells in zip(sample, subject.rows(TRAIN, subject.roles, sample), strict=True):
        for place in index.alike(shingles(cells)):
            twins.setdefault(place, int(row))
    if not twins:
        return []
    found = {split: np.array(sorted(row for name, row in twins if name == split)) for split in subject.scored}
    first = next((split, int(rows[0])) for split, rows in found.items() if len(rows))
    what = f"nearly the same as a row in training: {count(len(twins))} of evaluation"
    advice = "where they are copies leave them out of training, or hold out by group (data.split.group_by)"
    numbers = {split: float(len(rows)) for split, rows in found.items()}
    return [Finding("near copies", "note", what, advice, places(found), {TRAIN: [twins[first] + 1]}, numbers)]


def shingles(cells: list[Any]) -> Shingles:
    """Empty for rows of few words."""
    found: Shingles = set()
    total = 0
    for column, cell in enumerate(cells):
        some = words(text_of(cell)[: _WORDS * 10])[:_WORDS]
        total += len(some)
        found.update((column, *three) for three in zip(some, some[1:], some[2:], strict=False))
        if 0 < len(some) < 3:
            found.add((column, *some))
    return found if total >= FEWEST else set()


class _Index:
    """Sets of shingles by their rarest members."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, int], Shingles] = {}
        self.rank: dict[tuple[Any, ...], int] = {}
        self.lists: dict[int, list[tuple[str, int]]] = defaultdict(list)

    def add(self, place: tuple[str, int], of: Shingles) -> None:
        if of:
            self.sets[place] = of

    def order(self) -> None:
        """Rank shingles, the rarest first, and list the sets by the first ones of each."""
        often = Counter(shingle for of in self.sets.values() for shingle in of)
        self.rank = {shingle: rank for rank, (shingle, _) in enumerate(reversed(often.most_common()))}
        for place, of in self.sets.items():
            for rank in sorted(self.rank[shingle] for shingle in of)[: _prefix(len(of))]:
                self.lists[rank].append(place)

    def alike(self, of: Shingles) -> list[tuple[str, int]]:
        """The places of sets that resemble this one, among the first candidates."""
        known = sorted(self.rank[shingle] for shingle in of if shingle in self.rank)
        # What is unknown here is rarer than anything.
        left = _prefix(len(of)) - (len(of) - len(known))
        if left <= 0:
            return []
        candidates = dict.fromkeys(place for rank in known[:left] for place in self.lists.get(rank, ()))
        return [place for place in list(candidates)[:_CANDIDATES] if _alike(of, self.sets[place])]


def _prefix(size: int) -> int:
    return size - ceil(ALIKE * size) + 1


def _alike(a: Shingles, b: Shingles) -> bool:
    """Whether two rows resemble each other, each of their texts by itself: two questions about one text do not."""
    if len(a & b) < ALIKE * len(a | b):
        return False
    both, either = Counter(one[0] for one in a & b), Counter(one[0] for one in a | b)
    return all(both[column] >= ALIKE * size for column, size in either.items())
