"""Copies: of what counts as one, and what it is measured in."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.audit.copies import leaked, repeated
from pipeline.data.audit.keys import loosened
from pipeline.tasks.causal_lm import CausalLM
from pipeline.tasks.regression import Regression
from tests.data.audit.parts import reviews, subject_of


@pytest.mark.parametrize(
    ("text", "other", "same"),
    [
        ("What is an atom ?", "what is an atom", True),
        ("“Ünïcode” text\n", "Ünïcode  TEXT", True),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width", True),
        ("很好。", "很好", True),
        ("What is 3 - 5?", "What is 3 + 5?", False),
        ("1.5", "15", False),
        (":)", ":(", False),
        ("café", "cafe", False),
    ],
)
def test_what_is_compared(text: str, other: str, same: bool):
    assert (loosened(text) == loosened(other)) is same


def test_the_share_decides_and_a_few_rows_never_stop(tiny_bert: Path):
    splits = reviews(test=40)
    splits["test"][:2] = splits["train"][:2]
    (finding,) = leaked(subject_of(splits, tiny_bert))
    assert finding.severity == "note" and finding.numbers == {"validation": 0.0, "test": 0.05}
    small = reviews(test=8)
    small["test"][:4] = small["train"][:4]
    assert leaked(subject_of(small, tiny_bert))[0].severity == "note", "4 rows are few"
    small["test"][:5] = small["train"][:5]
    assert leaked(subject_of(small, tiny_bert))[0].severity == "severe"


def test_test_rows_in_validation_are_told_by_themselves(tiny_bert: Path):
    splits = reviews()
    splits["validation"][3] = splits["test"][7]
    (finding,) = leaked(subject_of(splits, tiny_bert))
    assert finding.rows == {"test": [8]} and "in validation" in finding.what and finding.severity == "note"


def test_the_test_rows_of_one_source_are_no_validation(tiny_bert: Path):
    splits = reviews()
    splits |= {"validation_a": splits["validation"][:20], "test_a": splits["test"][:20]}
    assert leaked(subject_of(splits, tiny_bert)) == []
    splits["validation_a"][3] = splits["test"][7]
    (finding,) = leaked(subject_of(splits, tiny_bert))
    assert finding.rows == {"test": [8]}


def test_pairs_are_the_same_when_both_texts_are(tiny_bert: Path):
    pairs = [{"text": f"a song of {n}", "text_pair": "a film of it", "label": n / 7} for n in range(20)]
    other = [{**pairs[3], "text_pair": "no film of it"}, dict(pairs[4])]
    subject = subject_of({"train": pairs, "test": other}, tiny_bert, Regression())
    (finding,) = leaked(subject)
    assert finding.rows == {"test": [2]} and finding.twin == {"train": [5]}


def test_short_lines_of_documents_are_no_copies(tiny_decoder: Path):
    lines = [{"text": "First Citizen:"}, {"text": "Speak, speak."}, {"text": ""}]
    long = {"text": "We are accounted poor citizens, the patricians good."}
    splits = {
        "train": [*lines, *lines, long],
        "test": [*lines, {"text": "What authority surfeits on would relieve."}],
    }
    subject = subject_of(splits, tiny_decoder, CausalLM())
    assert leaked(subject) == [] and repeated(subject) == []
    subject = subject_of({**splits, "test": [*lines, long]}, tiny_decoder, CausalLM())
    (finding,) = leaked(subject)
    assert finding.rows == {"test": [4]}
    assert 0.5 < finding.numbers["test"] < 1, "a share of the text, not of the rows"


def test_every_row_that_pandas_calls_a_duplicate(tiny_bert: Path):
    import pandas

    splits = reviews(train=60, validation=0, test=0)
    draw = np.random.default_rng(0).integers(0, 60, 150)
    rows = [splits["train"][n] for n in draw]
    subject = subject_of({"train": rows}, tiny_bert)
    expected = np.flatnonzero(pandas.DataFrame(rows).duplicated()) + 1
    assert repeated(subject)[0].rows["train"] == expected.tolist()
