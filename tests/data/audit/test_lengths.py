"""Lengths of rows, and what is lost of those that are too long, compared with the tokenizer's own count."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.audit.lengths import lengths, truncation
from pipeline.tasks.text_classification import TextClassification
from tests.data.audit.parts import reviews, subject_of, tokenizer_of


def test_quantiles_are_those_of_the_tokens(tiny_bert: Path):
    splits = reviews()
    ids = tokenizer_of(str(tiny_bert))([row["text"] for row in splits["train"]])["input_ids"]
    tokens = [len(one) for one in ids]
    found = lengths(subject_of(splits, tiny_bert))["train"]
    assert found["rows"] == found["examples"] == 200 and found["cut"] == 0
    assert found["longest"] == max(tokens) and found["median"] == sorted(tokens)[100]
    assert sum(length <= found["95%"] for length in tokens) >= 190


@pytest.mark.parametrize("limit", [16, 8])
def test_the_share_that_is_lost(limit: int, tiny_bert: Path):
    splits = reviews()
    subject = subject_of(splits, tiny_bert, TextClassification(max_length=limit))
    whole = {
        split: [len(ids) for ids in tokenizer_of(str(tiny_bert))([row["text"] for row in rows])["input_ids"]]
        for split, rows in splits.items()
    }
    (finding,) = truncation(subject)
    for split, tokens in whole.items():
        lost = sum(max(0, length - limit) for length in tokens) / sum(tokens)
        assert finding.numbers[split] == pytest.approx(lost, abs=0.02)
    assert finding.severity == "note"
    assert finding.rows["train"] == (np.flatnonzero(np.array(whole["train"]) > limit) + 1).tolist()
