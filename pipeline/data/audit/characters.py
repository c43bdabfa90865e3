"""Texts that the tokenizer or the file's encoding has lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, MANY, Finding, count, places, severity
from pipeline.data.audit.tokens import tally

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject

# A name or an emoji that a vocabulary lacks is usual; of a text of which a fifth is lost, little can be learned.
NOTED_UNKNOWN, SEVERE_UNKNOWN = 0.01, 0.2
# Share of a row's tokens from which the row is named.
_HIGH = 0.3
# Cuneiform and hieroglyphs, for which a vocabulary has no tokens. A tokenizer that falls back to bytes has.
_NOBODYS = "\U00012000 \U00013000"
# What stands for a character that could not be decoded.
_LOST = "\ufffd"
# UTF-8 of Latin letters and of typographic quotes that was read as Latin-1 or Windows-1252.
_MOJIBAKE = re.compile(r"[ÃÂ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â(?:€|\x80)[\x80-\xbf™˜œžš“”¢¦\x9d]")


def unknown_tokens(subject: Subject) -> list[Finding]:
    """How much of the text is unknown to the tokenizer, and the rows that suffer most."""
    number = subject.tokenizer.unk_token_id
    if number is None or number not in subject.tokenizer(_NOBODYS, verbose=False)["input_ids"]:
        return []
    found, shares = {}, {}
    for split, features in subject.encoded.items():
        sums, high = np.zeros(2), np.zeros(len(subject.raw[split]), bool)
        for unknown, tokens, rows in tally(features, "input_ids", number):
            sums += unknown.sum(), tokens.sum()
            high[rows[unknown > _HIGH * tokens]] = True
        shares[split] = float(sums[0] / max(sums[1], 1))
        found[split] = np.flatnonzero(high)
    worst = max(shares, key=shares.__getitem__)
    total = sum(map(len, found.values()))
    many = any(len(rows) > NOTED_UNKNOWN * len(subject.raw[split]) for split, rows in found.items())
    if shares[worst] < NOTED_UNKNOWN and not many:
        return []
    what = f"the tokenizer has no tokens for {shares[worst]:.1%} of {worst}"
    what += f" ({count(total)} with more than {_HIGH:.0%})" if total else ""
    advice = "a model whose tokenizer knows the language: model=auto model.checkpoint=NAME"
    severe = severity(shares[worst] >= SEVERE_UNKNOWN)
    return [Finding("unknown tokens", severe, what, advice, places(found), numbers=shares)]


def broken_encoding(subject: Subject) -> list[Finding]:
    """Characters that stand for lost ones, and UTF-8 that was read as something else."""
    lost: dict[str, np.ndarray] = {}
    garbled: dict[str, np.ndarray] = {}
    shares: dict[str, float] = {}
    for split in subject.encoded:
        sample = subject.sample(split)
        kinds = np.array([_kind(text) for text in subject.texts(split, sample)], dtype=np.int8)
        lost[split], garbled[split] = sample[kinds == 1], sample[kinds == 2]
        shares[split] = float((kinds > 0).mean())
    findings = []
    for found, what, advice in (
        (lost, "with U+FFFD, which stands for a character that was lost", "the file before it was converted"),
        (
            garbled,
            "with 'Ã©' and the like, UTF-8 that was read as Latin-1",
            "data.encoding=utf-8, or the file repaired",
        ),
    ):
        if total := sum(map(len, found.values())):
            severe = any(
                len(rows) >= FEW and len(rows) >= MANY * len(subject.sample(split))
                for split, rows in found.items()
            )
            findings.append(
                Finding(
                    "encoding",
                    severity(severe),
                    f"{count(total)} {what}",
                    advice,
                    places(found),
                    numbers=shares,
                )
            )
    return findings


def _kind(text: str) -> int:
    """0: sound, 1: has lost characters, 2: was decoded wrongly."""
    if text.isascii():
        return 0
    return 1 if _LOST in text else 2 if _MOJIBAKE.search(text) else 0
