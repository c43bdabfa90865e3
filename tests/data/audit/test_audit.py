"""Clean data gives no finding, and every planted fault is found, with the rows that have it."""

from pathlib import Path

import pytest

from pipeline.sources.base import Source
from tests.data.audit.parts import Splits, findings, reviews, subject_of


def test_clean_data_gives_no_finding(tiny_bert: Path):
    assert findings(subject_of(reviews(), tiny_bert)) == []


@pytest.fixture
def faulty() -> Splits:
    """Faults that do not hide each other, in rows that the test names."""
    splits = reviews(train=1_000)
    train, test = splits["train"], splits["test"]
    for row in range(5):
        test[row] = {**train[row], "text": f"  {train[row]['text'].upper()}!"}  # copies
    train[20] = dict(train[10])  # repeated
    for row in range(100, 150):
        train[row]["label"] = "good" if train[row]["label"] == "bad" else "bad"  # flipped
    train[50]["text"] = "   "  # empty
    train[60]["text"] += " and a story" * 300  # longer than 512 tokens
    train[70]["text"] += " cafÃ©"  # decoded wrongly
    train[71]["text"] += " caf\ufffd"  # lost
    for row in range(200, 212):  # a script without tokens
        train[row]["text"] = " ".join(chr(0x13A0 + (row * place) % 80) for place in range(1, 9))
    train[91] = {"text": train[90]["text"], "label": "good" if train[90]["label"] == "bad" else "bad"}
    return splits


def test_planted_faults_are_found_with_their_rows(faulty: Splits, tiny_bert: Path):
    found = {}
    for finding in findings(subject_of(faulty, tiny_bert)):
        found.setdefault(finding["check"], []).append(finding)
    assert set(found) == {
        "leakage",
        "repeated rows",
        "flipped labels",
        "empty rows",
        "truncation",
        "encoding",
        "unknown tokens",
        "contradictions",
    }
    (leakage,) = found["leakage"]
    assert leakage["rows"] == {"test": [1, 2, 3, 4, 5]} and leakage["twin"] == {"train": [1]}
    assert leakage["severity"] == "severe" and leakage["numbers"]["test"] == 5 / 40
    assert (
        leakage["places"].startswith("row 1 of test ('")
        and "the first as row 1 of train" in leakage["places"]
    )
    assert found["repeated rows"][0]["rows"] == {"train": [21]}
    flipped = found["flipped labels"][0]["rows"]["train"]
    # Of texts without a known word nothing can be known of their label.
    assert set(range(101, 151)) <= set(flipped) <= {*range(101, 151), *range(201, 213), 91, 92}
    assert found["empty rows"][0]["rows"] == {"train": [51]}
    assert found["truncation"][0]["rows"] == {"train": [61]}
    assert [finding["rows"] for finding in found["encoding"]] == [{"train": [72]}, {"train": [71]}]
    assert found["unknown tokens"][0]["rows"] == {"train": list(range(201, 213))}
    assert found["contradictions"][0]["rows"] == {"train": [91, 92]}


def test_what_is_severe_comes_first(faulty: Splits, tiny_bert: Path):
    severities = [finding["severity"] for finding in findings(subject_of(faulty, tiny_bert))]
    assert severities == sorted(severities, reverse=True) and severities[0] == "severe"


def test_rows_that_are_meant_to_be_the_same_are_no_leakage(tiny_bert: Path):
    rows = reviews(train=40, validation=0, test=0)["train"]
    same = {"train": rows, "validation": rows, "test": rows}
    assert findings(subject_of(same, tiny_bert, source=Source(overfit=40))) == []
    assert findings(subject_of(same, tiny_bert))[0]["check"] == "leakage"
