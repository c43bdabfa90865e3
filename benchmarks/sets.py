"""Eight public sets of English texts and their classes, as files of training, validation and test rows.

They differ in rows (1,700 to 67,349), classes (2 to 77) and length (9 to 384 words on average). Three lie in a folder
that the caller has, as benchmarks/README.md says; five are fetched from the package index.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pipeline.component import component
from pipeline.sources.bbc_news import BbcNews
from pipeline.sources.movie_snippets import MovieSnippets

Row = dict[str, Any]
_RATINGS = MovieSnippets.address.rpartition("/")[0]


@component
class Products(MovieSnippets):
    """3,708 sentences of product reviews, rated by 20 people each (Hutto and Gilbert 2014)."""

    address: ClassVar[str] = f"{_RATINGS}/amazonReviewSnippets_GroundTruth.txt"


@component
class Editorials(MovieSnippets):
    """5,190 sentences of newspaper editorials, likewise."""

    address: ClassVar[str] = f"{_RATINGS}/nytEditorialSnippets_GroundTruth.txt"


@component
class Tweets(MovieSnippets):
    """4,200 tweets, likewise."""

    address: ClassVar[str] = f"{_RATINGS}/tweets_GroundTruth.txt"


def _packaged(source: type[MovieSnippets] | type[BbcNews]) -> Callable[[Path], tuple[list[Row], None]]:
    def rows(folder: Path) -> tuple[list[Row], None]:
        return [{"text": row["text"], "label": row["label"]} for row in source().load()["train"]], None

    return rows


def _files(name: str, test: str) -> Callable[[Path], tuple[list[Row], list[Row]]]:
    def rows(folder: Path) -> tuple[list[Row], list[Row]]:
        return list(lines(folder / name / "train.jsonl")), list(lines(folder / name / test))

    return rows


def lines(file: Path) -> Iterator[Row]:
    """Texts and labels of a file."""
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield {"text": row["text"], "label": row["label"]}


# Training and test rows; None: a fifth of the training rows is held out.
SETS: Mapping[str, Callable[[Path], tuple[list[Row], list[Row] | None]]] = {
    "movies": _packaged(MovieSnippets),
    "products": _packaged(Products),
    "editorials": _packaged(Editorials),
    "tweets": _packaged(Tweets),
    "sst2": _files("glue_sst2", "validation.jsonl"),
    "trec6": _files("trec6", "test_dedup.jsonl"),
    "banking77": _files("banking77", "test.jsonl"),
    "bbc_news": _packaged(BbcNews),
}
FOLDERS = ("glue_sst2", "trec6", "banking77")


def write(name: str, folder: Path, into: Path, limit: int | None) -> dict[str, int]:
    """Files ``train.jsonl``, ``validation.jsonl`` (a tenth of the training rows) and ``test.jsonl``; their rows.

    limit: only so many rows of training and validation together.
    """
    train, test = SETS[name](folder)
    random.Random(0).shuffle(train)
    if test is None:
        held = len(train) // 5
        train, test = train[held:], train[:held]
    train = train[:limit]
    held = len(train) // 10
    splits = {"train": train[held:], "validation": train[:held], "test": test}
    into.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (into / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return {split: len(rows) for split, rows in splits.items()}
