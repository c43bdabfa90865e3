"""The balance of classes."""

from pathlib import Path

from pipeline.data.audit.classes import classes
from pipeline.sources.base import Source
from pipeline.tasks.text_classification import TextClassification
from tests.data.audit.parts import reviews, subject_of


def test_a_class_of_a_handful_of_rows(tiny_bert: Path):
    splits = reviews()
    for row in (7, 8):
        splits["train"][row]["label"] = "fair"
    (finding,) = classes(subject_of(splits, tiny_bert))
    assert finding.rows == {"train": [8, 9]} and finding.numbers == {"fair": 2.0}
    few = subject_of(splits, tiny_bert, source=Source(examples_per_class=2))
    assert classes(few) == [], "few examples were asked for"


def test_one_class_is_nearly_all(tiny_bert: Path):
    splits = reviews(validation=0, test=0)
    for number, row in enumerate(splits["train"]):
        row["label"] = "bad" if number % 25 == 0 else "good"
    (finding,) = classes(subject_of(splits, tiny_bert))
    assert finding.severity == "note" and "96.0%" in finding.what and "'good'" in finding.what


def test_evaluation_with_one_class_alone_is_severe(tiny_bert: Path):
    splits = reviews()
    for row in splits["test"]:
        row["label"] = "good"
    one_sided, missing = classes(subject_of(splits, tiny_bert))
    assert one_sided.severity == "severe" and "all 40 rows of test are 'good'" in one_sided.what
    assert missing.severity == "note" and "'bad'" in missing.what


def test_several_labels_a_text_are_left_alone(tiny_bert: Path):
    rows = [{"text": f"film {n}", "label": ["a"] if n else ["a", "b"]} for n in range(30)]
    assert classes(subject_of({"train": rows}, tiny_bert, TextClassification(multi_label=True))) == []
