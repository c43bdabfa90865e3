"""Equal to seqeval (spans) and scikit-learn (plain tags)."""

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2, IOBES
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torchmetrics.utilities import dim_zero_sum

from pipeline.tasks.tagging.metrics import TagCounts, names_of_scores, scores_of

LABELS = {
    "bio": ["O", *(f"{p}-{t}" for t in ("PER", "LOC", "creative-work", "never") for p in "BI")],
    "bioes": ["O", *(f"{p}-{t}" for t in ("PER", "LOC") for p in "BIES")],
    "none": ["NOUN", "VERB", "never", "X"],
}


def tag_rows(labels: Sequence[str], seed: int) -> tuple[list[list[str]], list[list[str]]]:
    draw = random.Random(seed)
    known = [label for label in labels if "never" not in label]
    true = [draw.choices(known, k=draw.randint(0, 12)) for _ in range(120)]
    said = [[tag if draw.random() < 0.7 else draw.choice(known) for tag in row] for row in true]
    return said, true


def counted(labels: Any, scheme: Any, said: Any, true: Any, strict: bool = False) -> TagCounts:
    def tags(row: Mapping[str, Any]) -> list[str]:
        return row["tags"]

    metric = TagCounts(labels, scheme, tags, strict=strict)
    for part in (slice(0, 50), slice(50, None)):
        metric.update([{"tags": row} for row in said[part]], [{"tags": row} for row in true[part]])
    return metric


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
@pytest.mark.parametrize("seed", range(3))
def test_spans_are_seqevals(scheme: str, strict: bool, seed: int) -> None:
    labels = LABELS[scheme]
    said, true = tag_rows(labels, seed)
    values = scores_of(counted(labels, scheme, said, true, strict).compute(), labels, scheme).values  # type: ignore[arg-type]
    options: dict[str, Any] = (
        {"mode": "strict", "scheme": IOBES if scheme == "bioes" else IOB2} if strict else {}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("precision", "recall", "f1"):
            score = getattr(seqeval, f"{name}_score")
            assert values[name] == pytest.approx(score(true, said, **options), abs=1e-9)
        assert values["f1_macro"] == pytest.approx(seqeval.f1_score(true, said, average="macro", **options))
        report = seqeval.classification_report(true, said, output_dict=True, **options)
    for kind in ("PER", "LOC"):
        for ours, theirs in (("f1", "f1-score"), ("precision", "precision"), ("recall", "recall")):
            assert values[f"{ours}/{kind}"] == pytest.approx(report[kind][theirs], abs=1e-9)
    assert values["accuracy"] == pytest.approx(seqeval.accuracy_score(true, said))
    assert set(values) == set(names_of_scores(labels, scheme))  # type: ignore[arg-type]


def test_bilou_is_bioes_by_other_names() -> None:
    said, true = tag_rows(LABELS["bioes"], 0)
    names = str.maketrans("ES", "LU")

    def bilou(rows: list[list[str]]) -> list[list[str]]:
        return [[tag[0].translate(names) + tag[1:] for tag in row] for row in rows]

    labels = bilou([LABELS["bioes"]])[0]
    expected = counted(LABELS["bioes"], "bioes", said, true).compute()
    found = counted(labels, "bioes", bilou(said), bilou(true)).compute()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("seed", range(3))
def test_plain_tags_are_scikit_learns(seed: int) -> None:
    labels = LABELS["none"]
    said, true = tag_rows(labels, seed)
    scores = scores_of(counted(labels, "none", said, true).compute(), labels, "none")
    y_true, y_said = ([tag for row in rows for tag in row] for rows in (true, said))
    assert scores.values["accuracy"] == pytest.approx(accuracy_score(y_true, y_said))
    macro = precision_recall_fscore_support(y_true, y_said, average="macro", zero_division=0)
    assert scores.values["f1"] == pytest.approx(macro[2])
    each = precision_recall_fscore_support(y_true, y_said, labels=labels, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), each, strict=False):
        assert [scores.values[f"{name}/{label}"] for label in labels] == pytest.approx(values.tolist())
    assert set(scores.values) == set(names_of_scores(labels, "none"))
    assert scores.tables["tags"][1:] == [
        [
            label,
            y_true.count(label),
            y_said.count(label),
            sum(a == b == label for a, b in zip(y_true, y_said, strict=True)),
        ]
        for label in labels
    ]


def test_nothing_to_find_is_zero() -> None:
    values = scores_of(
        counted(["O", "B-a"], "bio", [["O"]] * 60, [["O"]] * 60).compute(), ["O", "B-a"], "bio"
    )
    assert values.values["f1"] == 0 and values.values["accuracy"] == 1


def test_counts_of_processes_add_up() -> None:
    said, true = tag_rows(LABELS["bio"], 5)
    whole = counted(LABELS["bio"], "bio", said, true)
    parts = [counted(LABELS["bio"], "bio", said[i::2], true[i::2]) for i in range(2)]
    for name in ("right", "said", "true", "words"):
        assert torch.equal(getattr(parts[0], name) + getattr(parts[1], name), getattr(whole, name))
        assert whole._reductions[name] is dim_zero_sum
