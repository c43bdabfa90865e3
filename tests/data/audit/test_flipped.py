"""Flipped labels, in made-up data and in real data whose labels are flipped here."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.audit.flipped import flipped, likely_wrong, out_of_fold
from tests.data.audit.parts import reviews, subject_of


def test_hard_data_has_no_flipped_labels(tiny_bert: Path):
    """Labels that are drawn have nothing to do with the texts: the classifier errs, and knows that it does."""
    splits = reviews(train=300, validation=0, test=0)
    draw = np.random.default_rng(0)
    for row in splits["train"]:
        row["label"] = str(draw.choice(["good", "bad"]))
    assert flipped(subject_of(splits, tiny_bert)) == []


@pytest.mark.parametrize(("share", "rows"), [(0.05, 1_000), (0.1, 1_000), (0.05, 3_000)])
def test_flipped_rows_are_named(share: float, rows: int, tiny_bert: Path):
    splits = reviews(train=rows, validation=0, test=0)
    wrong = np.random.default_rng(1).choice(rows, int(share * rows), replace=False)
    for row in wrong:
        splits["train"][row]["label"] = "good" if splits["train"][row]["label"] == "bad" else "bad"
    (finding,) = flipped(subject_of(splits, tiny_bert))
    named, planted = set(finding.rows["train"]), {int(row) + 1 for row in wrong}
    assert len(named & planted) >= 0.8 * len(planted) and named <= planted
    assert finding.severity == ("severe" if share >= 0.1 else "note")


@pytest.mark.slow
def test_movie_snippets_before_and_after_flipping():
    """Sentiment of single sentences: a bag of words errs in a quarter of them, and that is no finding."""
    from pipeline.sources.movie_snippets import MovieSnippets

    rows = MovieSnippets().load()["train"].select(range(6_000))
    labels = np.array([row == "positive" for row in rows["label"][:]]).astype(int)
    assert len(likely_wrong(out_of_fold(rows["text"][:], labels), labels)) == 0
    wrong = np.random.default_rng(0).random(len(labels)) < 0.05
    given = np.where(wrong, 1 - labels, labels)
    named = likely_wrong(out_of_fold(rows["text"][:], given), given)
    assert len(named) > 50 and wrong[named].mean() > 5 * wrong.mean()


def test_probabilities_are_of_rows_that_were_not_trained_on():
    """Words that only one text has say nothing of another."""
    texts = ["good film"] * 40 + ["bad film"] * 40
    found = out_of_fold(texts, np.array([0] * 40 + [1] * 40))
    assert found.shape == (80, 2) and np.allclose(found.sum(1), 1)
    assert (found.argmax(1) == [0] * 40 + [1] * 40).all()
    assert out_of_fold([f"word{n}" for n in range(80)], np.array([0, 1] * 40)) is None
