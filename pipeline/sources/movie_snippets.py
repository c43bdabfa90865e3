"""Movie review snippets, each rated by 20 people or more from -4 (very negative) to 4 (very positive).

{"text": "A dreary movie.", "label": "negative", "rating": -2.3}

C.J. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text,
ICWSM 2014. The sentences are from the reviews of Pang and Lee (2004).
"""

from pathlib import Path
from typing import ClassVar

from pipeline.component import component
from pipeline.sources.packaged import Packaged, Row


@component
class MovieSnippets(Packaged):
    """10,566 snippets; the label is the sign of the mean rating.

    Left out of the 10,605 in the archive: 37 of mean rating 0, which has no sign, and 2 repeated texts.
    """

    address: ClassVar[str] = (
        "pypi:vaderSentiment@3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz/"
        "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
    )
    sha256: ClassVar[str] = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
    licence: ClassVar[str] = "MIT"

    def rows(self, path: Path) -> list[Row]:
        rows: list[Row] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            _, rating, text = line.split("\t")
            if float(rating):
                label = "positive" if float(rating) > 0 else "negative"
                rows.append({"text": text, "label": label, "rating": float(rating)})
        return rows
