"""As the official scripts of SQuAD 1.1 and 2.0 define their scores, by torchmetrics and by hand."""

import random

import pytest
import torch
from torchmetrics.text import SQuAD
from torchmetrics.utilities import dim_zero_sum

from pipeline.tasks.spans.metrics import SquadScores, names_of_values, normalized, values_of

WORDS = ["the", "Film,", "a", "was", "good", "GOOD", "an", "über", "北京", "👍", "1.5", "U.S.", "ا", "—"]


def pairs(seed: int, *, empty: float) -> tuple[list[str], list[list[str]]]:
    """Answers that were given, and the right ones, which share words with them."""
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 4)))

    said = ["" if draw.random() < empty else text() for _ in range(200)]
    right = [
        [] if draw.random() < empty else [draw.choice([one, text()]) or text(), text()][: draw.randint(1, 2)]
        for one in said
    ]
    return said, right


def scored(said: list[str], right: list[list[str]], version_2: bool) -> tuple[SquadScores, dict[str, float]]:
    rows = [{"question": "?", "context": f"x {' y '.join(texts)}", "answers": texts} for texts in right]
    metric = SquadScores(version_2=version_2)
    half = len(rows) // 2
    for part in (slice(half), slice(half, None)):
        metric.update([{"answer": text} for text in said[part]], rows[part])
    return metric, values_of(metric.compute()["sums"], version_2)


def by_torchmetrics(said: list[str], right: list[list[str]]) -> dict[str, float]:
    reference = SQuAD()
    reference.update(
        [{"prediction_text": text, "id": str(i)} for i, text in enumerate(said)],
        [
            {"answers": {"text": texts, "answer_start": [0] * len(texts)}, "id": str(i)}
            for i, texts in enumerate(right)
        ],
    )
    return {name: float(value) for name, value in reference.compute().items()}


@pytest.mark.parametrize("seed", range(5))
def test_version_1(seed: int) -> None:
    """Every text has a word that normalizing leaves: of two empty ones torchmetrics says what only version 2.0 does."""
    said, right = pairs(seed, empty=0)
    said, right = [f"{text} x" for text in said], [[f"{text} y" for text in texts] for texts in right]
    assert scored(said, right, False)[1] == pytest.approx(by_torchmetrics(said, right), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_version_2(seed: int) -> None:
    """Questions with an answer count as in version 1.1, others by whether nothing but articles was said."""
    said, right = pairs(seed, empty=0.3)
    right = [[f"{text} y" if seed % 2 else f"{text} good" for text in texts] for texts in right]
    answered = [i for i, texts in enumerate(right) if texts]
    others = [i for i, texts in enumerate(right) if not texts]
    silent = 100 * sum(set(said[i].split()) <= {"a", "an", "the"} for i in others) / len(others)
    expected = {}
    for name, value in by_torchmetrics([said[i] for i in answered], [right[i] for i in answered]).items():
        expected |= {
            name: (value * len(answered) + silent * len(others)) / len(said),
            f"{name}/has_answer": value,
            f"{name}/no_answer": silent,
        }
    values = scored(said, right, True)[1]
    assert 0 < silent < 100 and values == pytest.approx(expected, rel=1e-6)
    assert list(values) == names_of_values(True)


def test_the_versions_differ_where_nothing_is_left() -> None:
    assert normalized("The a.") == ""
    assert scored(["an"], [["the"]], False)[1] == {"exact_match": 100, "f1": 0}
    assert scored(["an"], [["the"]], True)[1]["f1"] == 100
    # A question without an answer, asked of a model that answers all: only "" would be right.
    assert scored(["an", "x"], [[], []], False)[1] == {"exact_match": 50, "f1": 50}


def test_sums_of_processes_add_up() -> None:
    said, right = pairs(9, empty=0.3)
    whole = scored(said, right, True)[0]
    parts = [scored(said[i::2], right[i::2], True)[0] for i in range(2)]
    torch.testing.assert_close(parts[0].sums + parts[1].sums, whole.sums)
    assert whole._reductions["sums"] is dim_zero_sum
