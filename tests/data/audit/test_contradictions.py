"""The same text with different targets."""

from pathlib import Path

from pipeline.data.audit.contradictions import contradictions
from pipeline.tasks.regression import Regression
from pipeline.tasks.token_classification import TokenClassification
from tests.data.audit.parts import reviews, subject_of


def test_within_and_across_splits(tiny_bert: Path):
    splits = reviews()
    other = {"good": "bad", "bad": "good"}
    first = splits["train"][4]
    splits["train"][9] = {**first, "label": other[first["label"]]}
    splits["test"][2] = {**splits["train"][30], "label": other[splits["train"][30]["label"]]}
    (finding,) = contradictions(subject_of(splits, tiny_bert))
    assert finding.rows == {"train": [5, 10, 31], "test": [3]} and finding.twin == {"train": [10]}
    assert finding.severity == "note" and "2 texts in 4 rows" in finding.what


def test_a_tenth_of_the_rows_is_severe(tiny_bert: Path):
    splits = reviews(train=60)
    for row in range(3):
        splits["train"][row + 3] = {**splits["train"][row], "label": "good"}
        splits["train"][row]["label"] = "bad"
    (finding,) = contradictions(subject_of(splits, tiny_bert))
    assert finding.numbers["train"] == 0.1 and finding.severity == "severe"


def test_numbers_may_differ_a_little(tiny_bert: Path):
    rows = [{"text": f"song {n}", "label": n / 10} for n in range(50)]
    near = [*rows, {"text": "song 3", "label": 0.9}]
    assert contradictions(subject_of({"train": near}, tiny_bert, Regression())) == []
    far = [*rows, {"text": "song 3", "label": 4.9}]
    (finding,) = contradictions(subject_of({"train": far}, tiny_bert, Regression()))
    assert finding.rows == {"train": [4, 51]}


def test_tags_of_the_same_words(tiny_bert: Path):
    rows = [
        {"tokens": ["Ann", "lives", "in", "Oslo"], "tags": ["B-PER", "O", "O", "B-LOC"]},
        {"tokens": ["ann", "lives", "in", "oslo"], "tags": ["O", "O", "O", "O"]},
        {"tokens": ["Ann", "lives", "in", "Oslo"], "tags": ["B-PER", "O", "O", "O"]},
    ]
    (finding,) = contradictions(subject_of({"train": rows}, tiny_bert, TokenClassification()))
    assert finding.rows == {"train": [1, 3]}
