"""Scores of a tagger: of spans as seqeval counts them, or of plain tags as scikit-learn does.

Spans: ``precision``, ``recall`` and ``f1`` over all spans (micro), ``f1_macro`` over the types that occur,
``f1/<type>``, ``precision/<type>``, ``recall/<type>``, and ``accuracy`` of tags. A span counts as found where its
type and both ends are right (Tjong Kim Sang & De Meulder 2003). Plain tags: ``accuracy``, ``f1`` (macro, over the
tags that occur) and the same three of each tag. Only counts are kept, so processes add them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline.tasks.base import Scores
from pipeline.tasks.tagging.schemes import Scheme, entities, strict_entities, types_of

PER_CLASS = ("f1", "precision", "recall")
TrueTags = Callable[[Mapping[str, Any]], list[str]]


class TagCounts(Metric):
    """What is right, said and true, of each type of span (or each tag), and the tags that are right.

    true_tags: the tags of a row of data. Updated with decoded predictions, which hold ``tags``, and rows.
    """

    right: Tensor
    said: Tensor
    true: Tensor
    words: Tensor

    def __init__(self, labels: Sequence[str], scheme: Scheme, true_tags: TrueTags, *, strict: bool) -> None:
        super().__init__()
        self.scheme, self.true_tags, self.strict = scheme, true_tags, strict
        self.kinds = kinds_of(labels, scheme)
        self.numbers = {kind: number for number, kind in enumerate(self.kinds)}
        for name in ("right", "said", "true"):
            zeros = torch.zeros(len(self.kinds), dtype=torch.long)
            self.add_state(name, default=zeros, dist_reduce_fx="sum")
        # Tags that are right, and all of them.
        self.add_state("words", default=torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, said: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
        counts = torch.zeros(3, len(self.kinds), dtype=torch.long)
        words = torch.zeros(2, dtype=torch.long)
        for answer, row in zip(said, rows, strict=True):
            predicted, true = answer["tags"], self.true_tags(row)
            words[0] += sum(a == b for a, b in zip(predicted, true, strict=True))
            words[1] += len(true)
            found, there = self._units(predicted), self._units(true)
            for line, units in enumerate((found & there, found, there)):
                for kind, *_ in units:
                    counts[line, self.numbers[kind]] += 1
        self.right += counts[0].to(self.right.device)
        self.said += counts[1].to(self.said.device)
        self.true += counts[2].to(self.true.device)
        self.words += words.to(self.words.device)

    def _units(self, tags: Sequence[str]) -> set[Any]:
        """What is right or wrong as a whole: (type, from, to)."""
        if self.scheme == "none":
            return {(tag, place) for place, tag in enumerate(tags)}
        return set(strict_entities(tags, self.scheme) if self.strict else entities(tags, self.scheme))

    def compute(self) -> dict[str, Tensor]:
        return {"right": self.right, "said": self.said, "true": self.true, "words": self.words}


def kinds_of(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """What is scored one by one: types of span, or tags."""
    return list(labels) if scheme == "none" else sorted(types_of(labels))


def scores_of(computed: Mapping[str, Any], labels: Sequence[str], scheme: Scheme) -> Scores:
    """Named numbers, and a table of the spans (or tags) that are true, said and right."""
    # torchmetrics makes a number of what has one element.
    right, said, true = (computed[name].cpu().double().reshape(-1) for name in ("right", "said", "true"))
    kinds = kinds_of(labels, scheme)
    each = {"precision": _share(right, said), "recall": _share(right, true), "f1": _f1(right, said, true)}
    occur = (said + true) > 0
    macro = float(each["f1"][occur].mean()) if occur.any() else 0.0
    words = computed["words"].cpu().double()
    values = {"accuracy": float(_share(words[0], words[1]))}
    if scheme == "none":
        values["f1"] = macro
    else:
        values |= {
            "precision": float(_share(right.sum(), said.sum())),
            "recall": float(_share(right.sum(), true.sum())),
            "f1": float(_f1(right.sum(), said.sum(), true.sum())),
            "f1_macro": macro,
        }
    for name in PER_CLASS:
        values |= {f"{name}/{kind}": float(v) for kind, v in zip(kinds, each[name], strict=True)}
    table: list[list[Any]] = [["tag" if scheme == "none" else "type", "true", "predicted", "right"]]
    table += [[kind, int(true[n]), int(said[n]), int(right[n])] for n, kind in enumerate(kinds)]
    return Scores(values, {"tags" if scheme == "none" else "entities": table})


def names_of_scores(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """Every name that :func:`scores_of` gives; higher is better for all of them."""
    overall = (
        ["accuracy", "f1"] if scheme == "none" else ["accuracy", "precision", "recall", "f1", "f1_macro"]
    )
    return overall + [f"{name}/{kind}" for name in PER_CLASS for kind in kinds_of(labels, scheme)]


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """0 of nothing is 0, as in seqeval and scikit-learn."""
    return torch.where(whole > 0, part / whole.clamp(min=1), torch.zeros_like(part))


def _f1(right: Tensor, said: Tensor, true: Tensor) -> Tensor:
    return _share(2 * right, said + true)
