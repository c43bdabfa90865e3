"""Words and sentences of texts in any script, for scores that compare words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

# Scripts that do not separate words: each character counts as one.
WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
# What sacrebleu calls its tokenizers for languages that 13a does not suit, by code of ISO 639-1 or -3.
BLEU_TOKENIZERS = {
    **dict.fromkeys(("zh", "zho", "cmn", "yue"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
}


class UnicodeWords:
    """A tokenizer for rouge_score: letters, digits and the marks on them make words; all in lower case.

    stemmer: endings of English words are cut off as rouge_score does it.
    """

    def __init__(self, stemmer: bool = False) -> None:
        from nltk.stem import porter

        self.stem = porter.PorterStemmer().stem if stemmer else None

    def tokenize(self, text: str) -> list[str]:
        found: list[str] = []
        for kind, characters in groupby(unicodedata.normalize("NFC", text).lower(), _kind):
            if kind == "alone":
                found.extend(characters)
            elif kind == "word":
                found.append("".join(characters))
        # As in rouge_score: short words stay as they are.
        return found if self.stem is None else [self.stem(w) if len(w) > 3 else w for w in found]


@lru_cache(maxsize=10_000)
def _kind(character: str) -> str:
    if unicodedata.category(character)[0] not in "LNM":
        return ""
    return "alone" if unicodedata.name(character, "").startswith(WITHOUT_SPACES) else "word"


def sentences(text: str) -> str:
    """``text`` with every sentence on a line of its own."""
    return SENTENCE_END.sub("\n", text).strip()


def mostly_ascii(texts: Iterable[str]) -> bool:
    """Whether most letters are a to z, which is all that rouge_score's own words are made of."""
    ascii_letters = letters = 0
    for text in texts:
        ascii_letters += sum(character.isascii() and character.isalpha() for character in text)
        letters += sum(character.isalpha() for character in text)
    return 2 * ascii_letters >= letters


def bleu_tokenizer(language: str | None, texts: Iterable[str] = ()) -> str:
    """sacrebleu's tokenizer for a language code such as ``zh_CN``, ``zho_Hans`` or ``de``.

    texts: in the language, which tell where its code is not known: zh for Chinese, char for other scripts without
    spaces between words.
    """
    if language is not None:
        return BLEU_TOKENIZERS.get(re.split(r"[-_]", language)[0].lower(), "13a")
    characters = [character for text in texts for character in text if _kind(character)]
    alone = [character for character in characters if _kind(character) == "alone"]
    if 2 * len(alone) <= len(characters):
        return "13a"
    chinese = sum(unicodedata.name(character).startswith("CJK") for character in alone)
    return "zh" if chinese > 0.95 * len(alone) else "char"
