"""Scores of written answers against the last answer of each conversation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torchmetrics import MetricCollection

from pipeline.tasks.conversation.rows import conversation, form_of
from pipeline.tasks.writing.metrics import ROUGE_TYPES, ExactMatch, Rouge, TextMetric, collection


class LastAnswer:
    """The right answer of a row in any form of `conversations.py`.

    said, usual: as for :func:`pipeline.tasks.conversation.rows.form_of`.
    """

    def __init__(self, said: str | None, usual: str) -> None:
        self.said, self.usual = said, usual

    def __call__(self, row: Mapping[str, Any]) -> str:
        return conversation(row, form_of(list(row), self.said, self.usual))[-1]["content"]


class AnswerMatch(TextMetric):
    """Share of texts in which ``pattern`` finds what it finds in the reference; numbers are compared as numbers.

    In the whole text or a group of the pattern, at its first place: for GSM8K (Cobbe et al. 2021,
    arXiv:2110.14168) ``#### (-?[0-9.,]+)``.
    """

    higher_is_better = True

    def __init__(self, pattern: str, **where: Any) -> None:
        super().__init__(2, **where)
        self.pattern = re.compile(pattern)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        found = extracted(self.pattern, text)
        return [1, int(found is not None and found in [extracted(self.pattern, one) for one in references])]

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {"answer_match": sums[1] / sums[0]}


def extracted(pattern: re.Pattern[str], text: str) -> str | float | None:
    """What the first group, or else the whole pattern, finds: a number where it is one (1,000.0 is 1000)."""
    found = pattern.search(text)
    if found is None:
        return None
    words = str(found[1] if pattern.groups else found[0]).strip()
    try:
        return float(words.replace(",", "").rstrip("."))
    except ValueError:
        return words


def answer_metrics(reference: LastAnswer, pattern: str | None, unicode: bool) -> MetricCollection:
    """unicode: whether ROUGE counts words of every script, as in :class:`pipeline.tasks.writing.metrics.Rouge`."""
    where: dict[str, Any] = {"prediction": "response", "reference": reference}
    metrics: list[TextMetric] = [Rouge(unicode=unicode, **where), ExactMatch(**where)]
    return collection([*metrics, AnswerMatch(pattern, **where)] if pattern is not None else metrics)


def score_names(pattern: str | None) -> list[str]:
    """What :func:`answer_metrics` compute."""
    return [*ROUGE_TYPES, "exact_match", *(["answer_match"] if pattern is not None else [])]


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats; infinite where that is more than a float can be."""
    return math.exp(loss) if loss < 700 else math.inf
