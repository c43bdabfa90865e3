"""How long rows are in tokens, and what is lost of those that are longer than the model reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.audit.finding import Finding, count, places
from pipeline.data.audit.subject import text_of

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
        tokens = _column(features, "length")
        low, high, most = np.quantile(tokens, [0.5, 0.95, 1.0], method="higher")
        table[split] = {
            "rows": len(subject.raw[split]),
            "examples": len(features),
            "median": int(low),
            "95%": int(high),
            "longest": int(most),
            "cut": len(_cut_rows(features)),
        }
    return table


def truncation(subject: Subject) -> list[Finding]:
    """One finding for all splits, with the share of their tokens that is lost.

    Never severe: long documents begin with what they are about, so a short length is often chosen to save time, and the
    scores are honest, since they are of what was cut too.
    """
    cut = {split: _cut_rows(features) for split, features in subject.encoded.items()}
    cut = {split: rows for split, rows in cut.items() if len(rows)}
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
    what = f"cut to what the model is given: {count(sum(map(len, cut.values())))}{lost}"
    advice = "a larger task.max_length (of source or target, where they have their own), or shorter texts"
    return [Finding("truncation", "note", what, advice, places(cut), numbers=shares)]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _column(features: Dataset, name: str) -> np.ndarray:
    return np.asarray(features.with_format("numpy")[name][:])


def _cut_rows(features: Dataset) -> np.ndarray:
    return np.unique(_column(features, "row")[_column(features, "truncated").astype(bool)])


def _lost_share(subject: Subject, split: str, cut: np.ndarray) -> float | None:
    """Share of the tokens of a split, estimated from a sample of the rows that are cut; None where a row is not one
    feature, as with windows, which lose nothing of a row but by exception."""
    features = subject.encoded[split]
    if not np.array_equal(_column(features, "row"), np.arange(len(subject.raw[split]))):
        return None
    kept = _column(features, "length").astype(np.int64)
    whole = np.setdiff1d(np.arange(len(kept)), cut)
    fitting, some = _drawn(whole), _drawn(cut)
    beside = (
        np.median(kept[fitting] - _text_tokens(subject, split, fitting))
        if len(fitting)
        else subject.tokenizer.num_special_tokens_to_add(pair=len(subject.roles) > 1)
    )
    lost = np.maximum(_text_tokens(subject, split, some) + beside - kept[some], 0).mean() * len(cut)
    return float(lost / (kept.sum() + lost))


def _drawn(rows: np.ndarray) -> np.ndarray:
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
