"""Scores equal scikit-learn's."""

import pytest
import torch
from sklearn import metrics as sk

from pipeline.tasks.choices.metrics import ChoiceMetrics


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy_and_mean_reciprocal_rank(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(200, 5, generator=generator)
    counts = torch.randint(2, 6, (200,), generator=generator)
    targets = torch.randint(10, (200,), generator=generator) % counts
    logits[torch.arange(5) >= counts.unsqueeze(1)] = -torch.inf
    metric = ChoiceMetrics()
    for start in range(0, 200, 17):
        part = slice(start, start + 17)
        metric.update(logits[part, : int(counts[part].max())], targets[part])
    found = metric.compute()
    finite = logits.nan_to_num(neginf=-1e9)
    right = torch.nn.functional.one_hot(targets, 5)
    assert float(found["accuracy"]) == pytest.approx(sk.accuracy_score(targets, logits.argmax(1)), abs=1e-6)
    assert float(found["mrr"]) == pytest.approx(
        sk.label_ranking_average_precision_score(right, finite), abs=1e-6
    )


def test_of_equal_scores_the_first_counts_as_higher() -> None:
    metric = ChoiceMetrics()
    metric.update(torch.zeros(2, 4), torch.tensor([0, 2]))
    assert {name: float(value) for name, value in metric.compute().items()} == {
        "accuracy": 0.5,
        "mrr": pytest.approx((1 + 1 / 3) / 2),
    }
