"""The baseline learns what words say, and nothing where they say nothing."""

import random

from benchmarks.tfidf import NAME, tfidf_accuracy


def split(rows: int, seed: int, telling: bool) -> dict[str, list[str]]:
    draw = random.Random(seed)
    labels = [draw.choice(["good", "bad"]) for _ in range(rows)]
    words = {"good": "wonderful", "bad": "dreadful"} if telling else {"good": "film", "bad": "film"}
    return {
        "text": [f"a {draw.choice(['long', 'short'])} {words[label]}" for label in labels],
        "label": labels,
    }


def splits(telling: bool) -> dict[str, dict[str, list[str]]]:
    return {name: split(200, seed, telling) for seed, name in enumerate(["train", "validation", "test"])}


def test_learns_telling_words():
    result = tfidf_accuracy(splits(telling=True))
    assert result["accuracy"] == 1.0 and result["name"] == NAME


def test_chance_without_them():
    assert 0.35 < tfidf_accuracy(splits(telling=False))["accuracy"] < 0.65
