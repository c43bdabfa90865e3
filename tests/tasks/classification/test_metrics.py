"""Scores equal scikit-learn's, whatever classes a split happens to hold."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from pipeline.tasks.text_classification import TextClassification
from tests.two_processes import in_two_processes

LABELS = ["a", "b", "c", "d"]
CLOSE = 1e-6


def scores(logits: Any, targets: Any, *, multi_label: bool = False, batch: int = 7) -> Any:
    task = TextClassification(multi_label=multi_label)
    head = {"labels": LABELS[: logits.shape[1]]}
    metrics = task.metrics(head)
    for start in range(0, len(logits), batch):
        metrics.update(logits[start : start + batch], targets[start : start + batch])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return task.scores(metrics.compute(), head)


def sample(seed: int, rows: int, classes: int, only: list[int] | None = None) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(classes, (rows,), generator=generator)
    if only is not None:
        targets = torch.tensor(only)[targets % len(only)]
    logits = torch.randn(rows, classes, generator=generator)
    logits[torch.arange(rows), targets] += 1.0
    return logits, targets


@pytest.mark.parametrize("only", [None, [0, 2], [3]], ids=["all", "two", "one"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_label(seed: int, classes: int, only: list[int] | None) -> None:
    only = only and [number % classes for number in only]
    logits, targets = sample(seed, 50, classes, only)
    found = scores(logits, targets)
    values, predicted, true = found.values, logits.argmax(-1).numpy(), targets.numpy()
    names, numbers = LABELS[:classes], list(range(classes))
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    each: dict[str, Any] = {"average": None, "labels": numbers, "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(true, predicted),
        "precision": sk.precision_score(true, predicted, **macro),
        "recall": sk.recall_score(true, predicted, **macro),
        "f1": sk.f1_score(true, predicted, **macro),
        "f1_micro": sk.f1_score(true, predicted, average="micro"),
        "mcc": sk.matthews_corrcoef(true, predicted),
        **{f"f1/{n}": v for n, v in zip(names, sk.f1_score(true, predicted, **each), strict=True)},
        **{
            f"precision/{n}": v
            for n, v in zip(names, sk.precision_score(true, predicted, **each), strict=True)
        },
        **{f"recall/{n}": v for n, v in zip(names, sk.recall_score(true, predicted, **each), strict=True)},
    }
    probabilities = logits.softmax(-1).numpy()
    areas = [
        sk.roc_auc_score(true == number, probabilities[:, number])
        for number in numbers
        if 0 < (true == number).sum() < len(true)
    ]
    if areas:
        expected["auroc"] = np.mean(areas)
    assert values == pytest.approx(expected, abs=CLOSE)
    matrix = sk.confusion_matrix(true, predicted, labels=numbers).tolist()
    assert found.tables["confusion_matrix"][0] == ["true \\ predicted", *names]
    assert [row[1:] for row in found.tables["confusion_matrix"][1:]] == matrix


def test_area_is_scikit_learns_one_versus_rest() -> None:
    logits, targets = sample(3, 80, 4)
    expected = sk.roc_auc_score(targets, logits.softmax(-1).double().numpy(), multi_class="ovr")
    assert scores(logits, targets).values["auroc"] == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("constant", [0, 1])
def test_a_model_that_always_says_the_same(constant: int) -> None:
    targets = torch.tensor([0, 1, 1, 0, 1])
    logits = torch.zeros(5, 2)
    logits[:, constant] = 3.0
    values = scores(logits, targets).values
    predicted = logits.argmax(-1)
    assert values["mcc"] == pytest.approx(sk.matthews_corrcoef(targets, predicted), abs=CLOSE)
    assert values["auroc"] == pytest.approx(0.5)
    assert values["f1"] == pytest.approx(sk.f1_score(targets, predicted, average="macro"), abs=CLOSE)


def test_logits_between_zero_and_one_are_still_logits() -> None:
    # torchmetrics takes such a batch for probabilities: ranks between it and the others come out wrong.
    logits = torch.tensor([[0.9, 0.1], [0.2, 0.9], [5.0, 4.9], [4.9, 5.0], [0.6, 0.4], [-2.0, 2.0]])
    targets = torch.tensor([0, 1, 0, 1, 1, 0])
    expected = sk.roc_auc_score(targets, logits.softmax(-1)[:, 1])
    assert scores(logits, targets, batch=2).values["auroc"] == pytest.approx(expected, abs=CLOSE)
    many = (torch.arange(12).reshape(6, 2) % 5 < 2).long()
    expected = sk.f1_score(many, logits > 0, average="micro")
    found = scores(logits, many, multi_label=True, batch=1).values["f1_micro"]
    assert found == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("absent", [None, 2], ids=["all", "absent"])
def test_several_labels(absent: int | None) -> None:
    generator = torch.Generator().manual_seed(5)
    targets = (torch.rand(60, 4, generator=generator) < 0.4).float()
    if absent is not None:
        targets[:, absent] = 0
    logits = torch.randn(60, 4, generator=generator) + targets
    found = scores(logits, targets, multi_label=True)
    true, predicted = targets.numpy().astype(int), (logits > 0).numpy().astype(int)
    options: dict[str, Any] = {"average": "macro", "zero_division": 0}
    each: dict[str, Any] = {"average": None, "zero_division": 0}
    present = [number for number in range(4) if number != absent]
    expected = {
        "accuracy": sk.accuracy_score(true, predicted),
        "precision": sk.precision_score(true, predicted, **options),
        "recall": sk.recall_score(true, predicted, **options),
        "f1": sk.f1_score(true, predicted, **options),
        "f1_micro": sk.f1_score(true, predicted, average="micro"),
        "auroc": sk.roc_auc_score(true[:, present], logits.sigmoid().numpy()[:, present], average="macro"),
        **{f"f1/{n}": v for n, v in zip(LABELS, sk.f1_score(true, predicted, **each), strict=True)},
        **{
            f"precision/{n}": v
            for n, v in zip(LABELS, sk.precision_score(true, predicted, **each), strict=True)
        },
        **{f"recall/{n}": v for n, v in zip(LABELS, sk.recall_score(true, predicted, **each), strict=True)},
    }
    assert found.values == pytest.approx(expected, abs=CLOSE)
    matrix = sk.multilabel_confusion_matrix(true, predicted).reshape(4, 4).tolist()
    assert [row[1:] for row in found.tables["confusion_matrix"][1:]] == matrix


@pytest.mark.parametrize("multi_label", [False, True])
def test_every_name_has_a_direction(multi_label: bool) -> None:
    logits, targets = sample(0, 30, 4)
    if multi_label:
        targets = torch.nn.functional.one_hot(targets, 4)
    task = TextClassification(multi_label=multi_label)
    found = scores(logits, targets, multi_label=multi_label)
    directions = task.directions({"labels": LABELS})
    assert directions.pop("loss") is False
    assert directions.keys() == found.values.keys() and all(directions.values())
    assert task.monitor in directions
    assert all(math.isfinite(value) for value in found.values.values())


def share(rank: int, folder: str, uneven: bool) -> None:
    """One of two processes that see half of the rows each, or one of them all rows."""
    logits, targets = sample(0, 41, 4)
    mine = slice(0, 0 if uneven and rank else None) if uneven else slice(rank, None, 2)
    for multi_label in (False, True):
        aims = torch.nn.functional.one_hot(targets, 4) if multi_label else targets
        task = TextClassification(multi_label=multi_label)
        metrics = task.metrics({"labels": LABELS})
        if len(logits[mine]):
            metrics.update(logits[mine], aims[mine])
        values = task.scores(metrics.compute(), {"labels": LABELS}).values
        torch.save(values, f"{folder}/{rank}-{multi_label}.pt")


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [False, True], ids=["halves", "one without a row"])
def test_two_processes_score_as_one(uneven: bool, tmp_path: Any) -> None:
    in_two_processes(share, str(tmp_path), uneven)
    logits, targets = sample(0, 41, 4)
    for multi_label in (False, True):
        aims = torch.nn.functional.one_hot(targets, 4) if multi_label else targets
        expected = scores(logits, aims, multi_label=multi_label).values
        for rank in (0, 1):
            assert torch.load(tmp_path / f"{rank}-{multi_label}.pt") == pytest.approx(expected, abs=CLOSE)
