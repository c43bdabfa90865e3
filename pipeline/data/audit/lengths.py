"""How long rows are in tokens, and what is lost of those that are longer than the model reads."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.audit.finding import Finding, count, places
from pipeline.data.audit.subject import text_of
from pipeline.data.audit.tokens import numbers

if TYPE_CHECKING:
    from datasets import Dataset

    from pipeline.data.audit.subject import Subject

# Rows that are tokenized again to estimate what is lost, and what is measured on as many that fit: the tokens of a
# row that its texts do not account for (special ones, a prompt, a chat template).
_SAMPLE = 100


def lengths(subject: Subject) -> dict[str, dict[str, int]]:
    """By split: rows, examples, tokens of an example (median, 95 % of them have no more, longest), rows cut short."""
    table = {}
    for split, features in subject.encoded.items():
        until = np.cumsum(_by_length(features))
        low, high, most = (
            int(np.searchsorted(until, ceil(share * (len(features) - 1)), side="right"))
            for share in (0.5, 0.95, 1.0)
        )
        rows = len(subject.raw[split])
        table[split] = {
            "rows": rows,
            "examples": len(features),
            "median": low,
            "95%": high,
            "longest": most,
            "cut": int(_cut(features, rows).sum()),
        }
    return table


def truncation(subject: Subject) -> list[Finding]:
    """One finding for all splits, with the share of their tokens that is lost.

    Never severe: long documents begin with what they are about, so a short length is often chosen to save time, and the
    scores are honest, since they are of what was cut too.
    """
    cut = {split: _cut(features, len(subject.raw[split])) for split, features in subject.encoded.items()}
    cut = {split: rows for split, rows in cut.items() if rows.any()}
    if not cut:
        return []
    shares = {
        split: share
        for split, rows in cut.items()
        if (share := _lost_share(subject, split, rows)) is not None
    }
    most = max(shares.values(), default=0.0)
    where = max(shares, key=shares.__getitem__, default="")
    lost = f", with {_percent(most)} of all tokens of {where}" if shares else ""
    what = f"cut to what the model is given: {count(int(sum(rows.sum() for rows in cut.values())))}{lost}"
    named = {split: np.flatnonzero(rows) for split, rows in cut.items()}
    advice = "a larger task.max_length (of source or target, where they have their own), or shorter texts"
    return [Finding("truncation", "note", what, advice, places(named), numbers=shares)]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _by_length(features: Dataset) -> np.ndarray:
    """How many features have 0, 1, 2, … tokens."""
    counts = np.zeros(1, np.int64)
    for (tokens,) in numbers(features, "length"):
        some = np.bincount(tokens, minlength=len(counts))
        some[: len(counts)] += counts
        counts = some
    return counts


def _cut(features: Dataset, rows: int) -> np.ndarray:
    """Whether a row is cut, of every row."""
    cut = np.zeros(rows, bool)
    for row, truncated in numbers(features, "row", "truncated"):
        cut[row[truncated.astype(bool)]] = True
    return cut


def _lost_share(subject: Subject, split: str, cut: np.ndarray) -> float | None:
    """Share of the tokens of a split, estimated from a sample of the rows that are cut; None where a row is not one
    feature, as with windows, which lose nothing of a row but by exception."""
    features = subject.encoded[split]
    if not _a_feature_each(features, len(cut)):
        return None
    fitting, some = _drawn(~cut), _drawn(cut)
    beside = (
        np.median(_kept(features, fitting) - _text_tokens(subject, split, fitting))
        if len(fitting)
        else subject.tokenizer.num_special_tokens_to_add(pair=len(subject.roles) > 1)
    )
    missing = _text_tokens(subject, split, some) + beside - _kept(features, some)
    lost = np.maximum(missing, 0).mean() * cut.sum()
    by_length = _by_length(features)
    return float(lost / (by_length @ np.arange(len(by_length)) + lost))


def _a_feature_each(features: Dataset, rows: int) -> bool:
    start = 0
    for (row,) in numbers(features, "row"):
        if not np.array_equal(row, np.arange(start, start + len(row))):
            return False
        start += len(row)
    return start == rows


def _kept(features: Dataset, rows: np.ndarray) -> np.ndarray:
    """Tokens of these features."""
    return np.array(features.select(rows)["length"][:], dtype=np.int64)


def _drawn(chosen: np.ndarray) -> np.ndarray:
    """Indices of some of the rows that are chosen, in order."""
    rows = np.flatnonzero(chosen)
    if len(rows) <= _SAMPLE:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))


def _text_tokens(subject: Subject, split: str, rows: np.ndarray) -> np.ndarray:
    """Tokens of all texts in a row, those to be written included."""
    written = [] if subject.task.one_target else subject.targets
    cells: list[list[Any]] = list(subject.rows(split, [*subject.roles, *written], rows))
    texts = [text_of(cell) for row in cells for cell in row]
    ids = subject.tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)[
        "input_ids"
    ]
    return np.array([len(one) for one in ids]).reshape(len(cells), -1).sum(1)
