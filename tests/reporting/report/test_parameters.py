"""Values of a trial's words, and how much they matter."""

import math
import random

from pipeline.reporting.report.parameters import FEWEST, common_names, importances, parameters
from pipeline.runs.sweep_record import Trial


def test_words_are_numbers_where_they_can_be():
    trial = Trial(
        0, ["optimizer.lr=1e-05", "+task.layers=2", "strategy=lora", "data.train='a=b.csv'"], [], "finished"
    )
    assert parameters(trial) == {
        "optimizer.lr": 1e-05,
        "task.layers": 2,
        "strategy": "lora",
        "data.train": "a=b.csv",
    }


def test_names_are_of_what_every_trial_has_and_what_differs():
    assert common_names([{"a": 1, "b": 1, "c": "x"}, {"a": 2, "b": 1}]) == ["a"]
    assert common_names([]) == []


def test_what_decides_the_score_is_the_most_important():
    draw = random.Random(0)
    values = [
        {"lr": 10 ** draw.uniform(-5, -1), "kind": draw.choice(["lora", "full"]), "noise": draw.random()}
        for _ in range(40)
    ]
    scores = [-abs(math.log10(each["lr"]) + 3) + (0.3 if each["kind"] == "lora" else 0.0) for each in values]
    found = importances(values, scores)
    assert isinstance(found, dict) and next(iter(found)) == "lr" and found["lr"] > 0.7
    assert sum(found.values()) == 1 or abs(sum(found.values()) - 1) < 1e-6


def test_why_importance_cannot_be_said():
    two = [{"a": i, "b": i % 2} for i in range(FEWEST)]
    assert "two of them" in importances([{"a": i} for i in range(FEWEST)], list(range(FEWEST)))
    assert f"there are {FEWEST - 1}" in importances(two[1:], list(range(FEWEST - 1)))
    assert "equal" in importances(two, [0.5] * FEWEST)
