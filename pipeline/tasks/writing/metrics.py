"""Scores of written texts against references, in states that are sums: small, and additive over processes.

Each is a torchmetrics Metric that is updated with rows: what was said of them (``{"text": …}``) and the rows of the
data, whose reference is a text or a list of several texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import torch
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from torchmetrics import Metric, MetricCollection

from pipeline.tasks.writing.words import UnicodeWords, sentences

Row = Mapping[str, Any]
ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
# Steps in which a share between 0 and 1 is counted; room for 8 million rows.
FINE = 2**40


def collection(metrics: Sequence[Metric]) -> MetricCollection:
    """Several of these metrics as one; the names of the scores are those that each metric gives."""
    # Not grouped: metrics that happen to have equal states after a batch would share them from then on.
    return MetricCollection({type(metric).__name__: metric for metric in metrics}, compute_groups=False)


def references_of(cell: str | Sequence[str]) -> list[str]:
    """A cell of the reference column as a list of references."""
    return [cell] if isinstance(cell, str) else list(cell)


class TextMetric(Metric):
    """Base of the metrics here.

    prediction: where a text stands in what is said of a row. reference: the column with what is right (a text or
    several), or what finds it in a row.
    """

    full_state_update = False
    # A pass in which nothing was written has no score, which is no mistake to warn of.
    update_called = True
    sums: torch.Tensor

    def __init__(
        self, states: int, *, prediction: str = "text", reference: str | Callable[[Row], Any] = "target"
    ) -> None:
        super().__init__()
        self.prediction = prediction
        self.reference = itemgetter(reference) if isinstance(reference, str) else reference
        # Whole numbers: their sum is the same in whatever order rows and processes are added.
        self.add_state("sums", torch.zeros(states, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, said: Sequence[Row], rows: Sequence[Row]) -> None:
        parts = [
            self.statistics(str(words[self.prediction]), references_of(self.reference(row)))
            for words, row in zip(said, rows, strict=True)
        ]
        if parts:
            self.sums += torch.tensor(parts).sum(0).to(self.sums.device)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        """What one row adds to ``sums``."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """Scores by name; none where there was nothing to score."""
        return self.scores(self.sums.tolist()) if self.sums.any() else {}

    def scores(self, sums: list[int]) -> dict[str, float]:
        raise NotImplementedError


class Bleu(TextMetric):
    """sacreBLEU of the corpus, 0 to 100 (Post 2018, arXiv:1804.08771): ``bleu``.

    tokenize: a tokenizer of sacrebleu (13a, intl, zh, ja-mecab, ko-mecab, char, none).
    """

    higher_is_better = True

    def __init__(self, tokenize: str = "13a", lowercase: bool = False, **where: Any) -> None:
        # Lengths of text and reference; of each order n-grams that are right, and all.
        super().__init__(2 + 2 * 4, **where)
        # Of single rows only the counts are read; effective_order is what sacrebleu wants for them.
        self.scorer = BLEU(tokenize=tokenize, lowercase=lowercase, effective_order=True, force=True)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        found = self.scorer.sentence_score(text, references)
        return [found.sys_len, found.ref_len, *found.counts, *found.totals]

    def scores(self, sums: list[int]) -> dict[str, float]:
        text, reference, *counts = sums
        return {"bleu": BLEU.compute_bleu(counts[:4], counts[4:], text, reference, smooth_method="exp").score}


class Chrf(TextMetric):
    """Character n-gram F-score of the corpus, 0 to 100 (Popović 2015): ``chrf``.

    With ``words`` also of words and pairs of words (chrF++, Popović 2017): ``chrfpp``.
    """

    higher_is_better = True

    def __init__(self, words: bool = False, **where: Any) -> None:
        scorer = CHRF(word_order=2 if words else 0)
        # Of each order n-grams of the text, of the reference, of both.
        super().__init__(3 * scorer.order, **where)
        self.scorer, self.name = scorer, "chrfpp" if words else "chrf"

    def statistics(self, text: str, references: list[str]) -> list[int]:
        # sacrebleu gives these only inside; a test compares their sums with its corpus_score.
        (found,) = self.scorer._extract_corpus_statistics([text], [[reference] for reference in references])
        return found

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {self.name: self.scorer._compute_score_from_stats(sums).score}


class Rouge(TextMetric):
    """ROUGE F1, 0 to 100 (Lin 2004), mean over rows, as by the package `rouge_score`.

    types: of rouge1, rouge2, …, rougeL, rougeLsum. With several references the best counts, for each score by itself.
    stemmer: endings of English words do not count (Porter). unicode: words of any script; rouge_score's own know a
    to z and 0 to 9 alone, so that it finds nothing in Chinese or Arabic and cuts words at accents. split_sentences:
    for rougeLsum also at ``. ! ?``, not only at line ends.
    """

    higher_is_better = True

    def __init__(
        self,
        types: Sequence[str] = ROUGE_TYPES,
        *,
        stemmer: bool = False,
        unicode: bool = False,
        split_sentences: bool = False,
        **where: Any,
    ) -> None:
        super().__init__(1 + len(types), **where)
        words = UnicodeWords(stemmer) if unicode else None
        self.scorer = RougeScorer(list(types), use_stemmer=stemmer, tokenizer=words)
        self.types, self.split_sentences = tuple(types), split_sentences

    def statistics(self, text: str, references: list[str]) -> list[int]:
        if self.split_sentences:
            text, references = sentences(text), [sentences(reference) for reference in references]
        found = self.scorer.score_multi(references, text)
        return [1, *(round(FINE * found[name].fmeasure) for name in self.types)]

    def scores(self, sums: list[int]) -> dict[str, float]:
        rows, *each = sums
        return {name: 100 * value / FINE / rows for name, value in zip(self.types, each, strict=True)}


class ExactMatch(TextMetric):
    """Share of texts that are one of their references, but for white space around them: ``exact_match``."""

    higher_is_better = True

    def __init__(self, **where: Any) -> None:
        super().__init__(2, **where)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        return [1, text.strip() in {reference.strip() for reference in references}]

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {"exact_match": sums[1] / sums[0]}


class LengthRatio(TextMetric):
    """Characters written for each character of the reference (of the one nearest in length): ``length_ratio``.

    Above 1 a model writes too much, below it too little.
    """

    def __init__(self, **where: Any) -> None:
        super().__init__(2, **where)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        written = len(text.strip())
        lengths = [len(reference.strip()) for reference in references]
        return [written, min(lengths, key=lambda length: abs(length - written))]

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {"length_ratio": sums[0] / max(sums[1], 1)}
