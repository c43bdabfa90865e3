"""Exact match and F1 of extracted answers, in percent, as the official evaluation scripts of SQuAD count them.

Version 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250) or, where questions may have no answer, 2.0 (Rajpurkar et al.
2018, arXiv:1806.03822): a question's score is the best over its right answers; without any, only "" is right. Case,
punctuation, spaces and the English articles do not count. Words are what spaces divide, so in Chinese F1 is next to
exact match. Of version 2: ``…/has_answer`` and ``…/no_answer`` are over these questions alone.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline.tasks.spans.answers import answers_of, texts

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_KINDS = ("has_answer", "no_answer")


def normalized(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(said: str, right: str) -> float:
    return float(normalized(said) == normalized(right))


def f1(said: str, right: str, *, version_2: bool) -> float:
    """Of the words that both have. In version 1.1 nothing in common is 0 even where both are empty."""
    ours, theirs = normalized(said).split(), normalized(right).split()
    if version_2 and not (ours and theirs):
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


class SquadScores(Metric):
    """Sums over questions with and without an answer. Updated with decoded predictions, which hold ``answer``, and
    rows."""

    # Exact matches, F1 and questions: with an answer, without.
    sums: Tensor

    def __init__(self, *, version_2: bool) -> None:
        super().__init__()
        self.version_2 = version_2
        self.add_state("sums", default=torch.zeros(2, 3, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, said: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
        sums = torch.zeros(2, 3, dtype=torch.float64)
        for answer, row in zip(said, rows, strict=True):
            right = texts(answers_of(row))
            without = not right
            # The script of version 2.0 drops right answers of which nothing is left; that of 1.1 does not know them.
            version_2 = self.version_2 or without
            if version_2:
                right = [text for text in right if normalized(text)] or [""]
            sums[int(without)] += torch.tensor(
                [
                    max(exact(answer["answer"], text) for text in right),
                    max(f1(answer["answer"], text, version_2=version_2) for text in right),
                    1.0,
                ],
                dtype=torch.float64,
            )
        self.sums += sums.to(self.sums.device)

    def compute(self) -> dict[str, Tensor]:
        return {"sums": self.sums}


def values_of(sums: Tensor, version_2: bool) -> dict[str, float]:
    """Named numbers; parts only as far as there are such questions."""
    totals = {"": sums.sum(0)}
    if version_2:
        totals |= {f"/{kind}": part for kind, part in zip(_KINDS, sums, strict=True) if part[2] > 0}
    return {
        f"{name}{kind}": 100 * float(part[place] / part[2])
        for kind, part in totals.items()
        for place, name in enumerate(("exact_match", "f1"))
    }


def names_of_values(version_2: bool) -> list[str]:
    """Every name that :func:`values_of` may give; higher is better for all of them."""
    kinds = ["", *(f"/{kind}" for kind in _KINDS)] if version_2 else [""]
    return [f"{name}{kind}" for kind in kinds for name in ("exact_match", "f1")]
