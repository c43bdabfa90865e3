"""Scores equal scipy's and scikit-learn's, in the units of the data, however rows are batched and shared."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from pipeline.tasks.regression import Regression
from tests.tasks.parts import NO_TOKENIZER, answers
from tests.two_processes import in_two_processes

CLOSE = 1e-6
NAMES = {"mse", "rmse", "mae", "pearson", "spearman", "r2"}


def head_of(targets: int, **facts: Any) -> dict[str, Any]:
    made = {
        "target_names": [f"t{i}" for i in range(targets)],
        "target_mean": [2.5 + i for i in range(targets)],
        "target_scale": [1.25 * (i + 1) for i in range(targets)],
        "target_low": [0.0] * targets,
        "target_high": [5.0] * targets,
    }
    return made | facts


def scores(
    outputs: Any, targets: Any, head: dict[str, Any], batch: int = 7, **options: Any
) -> dict[str, float]:
    task = Regression(**options)
    metrics = task.metrics(head)
    for start in range(0, len(outputs), batch):
        metrics.update(outputs[start : start + batch], targets[start : start + batch])
    return task.scores(metrics.compute(), head).values


def sample(seed: int, rows: int, targets: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised, with ties among the targets as ratings have them."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.randn(rows, targets, generator=generator).mul(4).round().div(4)
    return true * 0.7 + 0.5 * torch.randn(rows, targets, generator=generator), true


def expected(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return {
        "mse": sk.mean_squared_error(true, predicted),
        "rmse": sk.root_mean_squared_error(true, predicted),
        "mae": sk.mean_absolute_error(true, predicted),
        "pearson": stats.pearsonr(predicted, true).statistic,
        "spearman": stats.spearmanr(predicted, true).statistic,
        "r2": sk.r2_score(true, predicted),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_one_target(seed: int) -> None:
    head, (outputs, targets) = head_of(1), sample(seed, 50, 1)
    found = scores(outputs, targets, head)
    wanted = expected(
        outputs[:, 0].double().numpy() * 1.25 + 2.5, targets[:, 0].double().numpy() * 1.25 + 2.5
    )
    assert found == pytest.approx(wanted, abs=CLOSE) and set(found) == NAMES


def test_several_targets_and_their_means() -> None:
    head, (outputs, targets) = head_of(3), sample(2, 60, 3)
    found = scores(outputs, targets, head)
    scale, mean = np.array(head["target_scale"]), np.array(head["target_mean"])
    predicted, true = outputs.double().numpy() * scale + mean, targets.double().numpy() * scale + mean
    each = [expected(predicted[:, i], true[:, i]) for i in range(3)]
    wanted = {f"{name}/t{i}": one[name] for i, one in enumerate(each) for name in NAMES}
    wanted |= {name: np.mean([one[name] for one in each]) for name in NAMES}
    assert found == pytest.approx(wanted, abs=CLOSE)
    assert found["r2"] == pytest.approx(sk.r2_score(true, predicted), abs=CLOSE)
    assert Regression().directions(head).keys() == found.keys() | {"loss"}


def test_clipping_counts_in_scores_and_predictions_alike() -> None:
    head, (outputs, targets) = head_of(1), sample(3, 50, 1)
    targets = (targets * 1.25 + 2.5).clamp(0, 5).sub(2.5).div(1.25)
    predicted = np.clip(outputs[:, 0].double().numpy() * 1.25 + 2.5, 0, 5)
    assert predicted.max() == 5 or predicted.min() == 0
    found = scores(outputs, targets, head, clip=True)
    assert found == pytest.approx(expected(predicted, targets[:, 0].double().numpy() * 1.25 + 2.5), abs=CLOSE)
    said = Regression(clip=True).decode(answers(outputs), NO_TOKENIZER, head)
    assert [row["value"] for row in said] == pytest.approx(predicted.tolist())


@pytest.mark.parametrize(
    ("outputs", "targets", "r2"),
    [
        ([[0.5]] * 4, [[0.0], [1.0], [2.0], [3.0]], None),
        ([[0.0], [1.0], [2.0]], [[1.0]] * 3, 0.0),
        ([[1.0]] * 3, [[1.0]] * 3, 1.0),
        ([[1.0]], [[0.5]], 0.0),
    ],
    ids=["same predictions", "same targets", "all right", "one row"],
)
def test_what_has_no_value_is_a_number_too(outputs: Any, targets: Any, r2: float | None) -> None:
    found = scores(torch.tensor(outputs), torch.tensor(targets), head_of(1))
    assert found["pearson"] == found["spearman"] == 0
    assert all(math.isfinite(value) for value in found.values())
    if r2 is not None:
        assert found["r2"] == r2


def share(rank: int, folder: str) -> None:
    head, (outputs, targets) = head_of(2), sample(4, 41, 2)
    for name, owner in (("dealt", None), ("alone", 0)):
        metrics = Regression().metrics(head)
        if owner is None:
            metrics.update(outputs[rank::2], targets[rank::2])
        elif rank == owner:
            metrics.update(outputs, targets)
        torch.save(Regression().scores(metrics.compute(), head).values, f"{folder}/{rank}-{name}.pt")


def test_over_two_processes_one_of_which_may_have_nothing(tmp_path: Path) -> None:
    in_two_processes(share, str(tmp_path))
    outputs, targets = sample(4, 41, 2)
    whole = scores(outputs, targets, head_of(2))
    for name in ("dealt", "alone"):
        for rank in (0, 1):
            assert torch.load(tmp_path / f"{rank}-{name}.pt") == pytest.approx(whole, abs=CLOSE)
