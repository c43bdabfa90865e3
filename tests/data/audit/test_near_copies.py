"""Near copies, compared with resemblances that are computed for every pair."""

import random
from pathlib import Path

from pipeline.data.audit.near_copies import ALIKE, near_copies, shingles
from pipeline.tasks.text_classification import TextClassification
from tests.data.audit.parts import Splits, reviews, subject_of


def changed() -> Splits:
    """Test rows that are training rows but for some words."""
    splits = reviews(train=120, validation=0, test=60)
    draw = random.Random(1)
    for number, row in enumerate(splits["test"]):
        words = draw.choice(splits["train"])["text"].split() * 2
        for place in draw.sample(range(len(words)), number % 5):
            words[place] = "something"
        row["text"] = " ".join(words)
    splits["train"] = [{**row, "text": f"{row['text']} {row['text']}"} for row in splits["train"]]
    return splits


def test_those_that_every_pair_tells(tiny_bert: Path):
    splits = changed()
    sets = {name: [shingles([row["text"]]) for row in rows] for name, rows in splits.items()}
    expected = [
        number
        for number, of in enumerate(sets["test"], 1)
        if (number - 1) % 5  # equal rows are told of as copies
        and any(len(of & other) / len(of | other) >= ALIKE for other in sets["train"])
    ]
    (finding,) = near_copies(subject_of(splits, tiny_bert))
    assert finding.rows == {"test": expected} and 10 < len(expected) < 48
    assert finding.severity == "note"


def test_two_questions_about_one_text_are_no_copies(tiny_bert: Path):
    rows = reviews(train=60, validation=0, test=10)
    text = " ".join(row["text"] for row in rows["train"][:5])
    train = [{"text": text, "text_pair": "who is the hero of it", "label": "a"}, *rows["train"]]
    train = [{"text_pair": "who is it", **row} for row in train]
    test = [{"text": text, "text_pair": "when was it made", "label": "good"}]
    assert near_copies(subject_of({"train": train, "test": test}, tiny_bert, TextClassification())) == []
    test = [{"text": text.replace("film", "movie", 1), "text_pair": "who is the hero of it", "label": "good"}]
    assert near_copies(subject_of({"train": train, "test": test}, tiny_bert))[0].twin == {"train": [1]}


def test_texts_of_few_words_are_not_compared():
    assert shingles(["a text of seven words it is"]) == set()
    assert len(shingles(["a text of eight words it is now"])) == 6
    assert len(shingles(["这是一个很好的电影"])) == 7
