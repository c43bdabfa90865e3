"""Words and where they are: given ones, or those of a text in any script.

A model tags words. Where the data brings them they are joined by single spaces, which is how a tokenizer of any
kind reads words of its own accord (byte-level ones make the space a part of the word's first token). Where a text
is asked about that was never cut into words, it is cut here as people who label data do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import Split

# A range of characters: the first, and the one behind the last.
Span = tuple[int, int]

# Patterns of Oniguruma, which `tokenizers` brings. Scripts without spaces are cut at every character.
_SPACELESS = r"(?:\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Thai}|\p{Lao}|\p{Khmer}|\p{Myanmar})"
# Vowel signs are marks and belong to their word, as do the joiners of Persian and Indian scripts.
_LETTER = rf"(?:(?!{_SPACELESS})[\p{{L}}\p{{N}}\p{{M}}\x{{200C}}\x{{200D}}])"
_END = r"(?![\p{L}\p{N}])"
_SUFFIX = rf"['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL){_END}"
_NOT = rf"[nN]['’][tT]{_END}"
_CHARACTER = rf"{_SPACELESS}\p{{M}}*"
# One sign, with what changes its look: an emoji of several persons or with a tone of skin is one.
_SIGN = r"[^\s\p{Cc}\p{Cf}](?:\p{M}|[\x{FE0F}\x{1F3FB}-\x{1F3FF}]|\x{200D}[^\s])*"
_COARSE = "|".join(
    (
        r"(?:https?://|www\.)[^\s<>\"]*[\p{L}\p{N}/]",
        r"[\p{L}\p{N}._+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+",
        rf"[@#]{_LETTER}(?:{_LETTER}|_)*",
        r"\p{N}+(?:[.,:]\p{N}+)+(?!\p{L})",
        r"(?:\p{L}\.){2,}",
        _NOT,
        _SUFFIX,
        _CHARACTER,
        rf"(?:(?!{_NOT}){_LETTER})+(?:[-_]{_LETTER}+|(?!{_SUFFIX}|{_NOT})['’]{_LETTER}+)*",
        _SIGN,
    )
)
_FINE = "|".join((_CHARACTER, rf"{_LETTER}+", _SIGN))


@dataclass(frozen=True)
class Words:
    """The words of a row, and the characters of ``text`` that each is, in order and without overlap."""

    text: str
    spans: list[Span]

    def __len__(self) -> int:
        return len(self.spans)

    def list(self) -> list[str]:
        return [self.text[start:end] for start, end in self.spans]

    def touching(self, word: int) -> bool:
        """Whether nothing is between a word and the one before it."""
        return word > 0 and self.spans[word - 1][1] == self.spans[word][0]


def joined(words: Sequence[str]) -> Words:
    """Words with single spaces between them."""
    spans, at = [], 0
    for word in words:
        spans.append((at, at + len(word)))
        at += len(word) + 1
    return Words(" ".join(words), spans)


def split(text: str, *, fine: bool) -> Words:
    """The words of a text.

    fine: cut at every character that is no letter or digit, so that a span of characters seldom ends inside a
        word. Otherwise as in CoNLL and Penn treebank data: "Jean-Luc", "1,000.5", "U.S." and URLs are one word,
        "isn't" and "Ann's" two.
    """
    pieces = _splitter(_FINE if fine else _COARSE).pre_tokenize_str(text)
    return Words(text, [span for piece, span in pieces if _visible(piece)])


@cache
def _splitter(pattern: str) -> Split:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    return Split(Regex(pattern), "isolated")


def _visible(piece: str) -> bool:
    """False for what is between words: spaces, line ends, byte order marks, zero-width spaces."""
    return any(unicodedata.category(sign)[0] not in "ZC" for sign in piece)
