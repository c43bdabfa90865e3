"""Scores of a classifier, from torchmetrics, for one label a text or several.

Names: ``accuracy`` (with several labels: all of a text's labels right), ``precision``, ``recall`` and ``f1``
(averaged over classes), ``f1_micro`` (over all decisions), ``mcc`` (one label only), ``auroc``, and
``f1/<label>``, ``precision/<label>``, ``recall/<label>``. As in scikit-learn, averages over classes are over
those that occur among targets or predictions; with several labels a text they are over all labels.
``auroc`` averages one-versus-rest areas over the classes for which there is one, which takes an example of
the class and one of another; where there is no such class, it is left out.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics import classification as tm

from pipeline.tasks.base import Scores

PER_CLASS = ("f1", "precision", "recall")


class OnLogits(MetricCollection):
    """Metrics of probabilities that are updated with logits.

    torchmetrics guesses from a batch's values whether they are logits, and guesses wrong when they all happen
    to lie between 0 and 1.
    """

    def __init__(
        self, metrics: dict[str, Metric | MetricCollection], classes: int, multi_label: bool
    ) -> None:
        super().__init__(metrics)
        self.classes, self.multi_label = classes, multi_label

    def update(self, logits: Tensor, targets: Tensor) -> None:  # type: ignore[override]
        """logits: (examples, classes); targets: class numbers, or 0 and 1 for each class."""
        logits = logits.detach().float()
        super().update(logits.sigmoid() if self.multi_label else logits.softmax(-1), targets.long())

    def compute(self) -> dict[str, Any]:
        # A process without a batch takes part with no rows of the right shape: the others wait for it.
        for metric in self.values(copy_state=False):
            if isinstance(getattr(metric, "preds", None), list) and not metric.preds:
                shape = (0, self.classes) if self.multi_label else (0,)
                metric.preds = [torch.empty(0, self.classes, device=metric.device)]
                metric.target = [torch.empty(shape, dtype=torch.long, device=metric.device)]
        with warnings.catch_warnings():
            # Of classes that a split does not hold, which the scores take into account.
            warnings.simplefilter("ignore", UserWarning)
            return super().compute()


def one_label_metrics(classes: int) -> MetricCollection:
    arguments: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    return OnLogits(
        {
            "accuracy": tm.MulticlassAccuracy(average="micro", **arguments),
            "precision": tm.MulticlassPrecision(average="macro", **arguments),
            "recall": tm.MulticlassRecall(average="macro", **arguments),
            "f1": tm.MulticlassF1Score(average="macro", **arguments),
            "f1_micro": tm.MulticlassF1Score(average="micro", **arguments),
            "each_f1": tm.MulticlassF1Score(average="none", **arguments),
            "each_precision": tm.MulticlassPrecision(average="none", **arguments),
            "each_recall": tm.MulticlassRecall(average="none", **arguments),
            "each_auroc": tm.MulticlassAUROC(average="none", **arguments),
            "confusion": tm.MulticlassConfusionMatrix(**arguments),
        },
        classes,
        multi_label=False,
    )


def several_label_metrics(classes: int) -> MetricCollection:
    arguments: dict[str, Any] = {"num_labels": classes, "validate_args": False}
    return OnLogits(
        {
            "accuracy": tm.MultilabelExactMatch(**arguments),
            "precision": tm.MultilabelPrecision(average="macro", **arguments),
            "recall": tm.MultilabelRecall(average="macro", **arguments),
            "f1": tm.MultilabelF1Score(average="macro", **arguments),
            "f1_micro": tm.MultilabelF1Score(average="micro", **arguments),
            "each_f1": tm.MultilabelF1Score(average="none", **arguments),
            "each_precision": tm.MultilabelPrecision(average="none", **arguments),
            "each_recall": tm.MultilabelRecall(average="none", **arguments),
            "each_auroc": tm.MultilabelAUROC(average="none", **arguments),
            "confusion": tm.MultilabelConfusionMatrix(**arguments),
        },
        classes,
        multi_label=True,
    )


def scores_of(computed: Mapping[str, Any], labels: Sequence[str], multi_label: bool) -> Scores:
    """Named numbers and the confusion matrix."""
    names = names_of_scores(labels, multi_label)
    values = {name: float(computed[name]) for name in names if name in computed}
    confusion = computed["confusion"].long().cpu()
    if multi_label:
        positive, total = confusion[:, 1].sum(-1), confusion.sum((-2, -1))
    else:
        positive, total = confusion.sum(-1), confusion.sum()
        values["mcc"] = _correlation(confusion)
    defined = (positive > 0) & (positive < total)
    if defined.any():
        values["auroc"] = float(computed["each_auroc"].cpu()[defined].mean())
    for kind in PER_CLASS:
        values |= {
            f"{kind}/{label}": float(v) for label, v in zip(labels, computed[f"each_{kind}"], strict=True)
        }
    table = _decisions(confusion, labels) if multi_label else _confusion(confusion, labels)
    return Scores(values, {"confusion_matrix": table})


def names_of_scores(labels: Sequence[str], multi_label: bool) -> list[str]:
    """Every name that :func:`scores_of` may give; higher is better for all of them."""
    names = ["accuracy", "precision", "recall", "f1", "f1_micro", *([] if multi_label else ["mcc"]), "auroc"]
    return names + [f"{kind}/{label}" for kind in PER_CLASS for label in labels]


def _correlation(confusion: Tensor) -> float:
    """Matthews' correlation of targets and predictions; 0 where one of them is constant.

    By scikit-learn: torchmetrics gives something else where two classes are not both there.
    """
    from sklearn.metrics import matthews_corrcoef

    true, predicted = torch.meshgrid(*[torch.arange(len(confusion))] * 2, indexing="ij")
    return float(matthews_corrcoef(true.flatten(), predicted.flatten(), sample_weight=confusion.flatten()))


def _confusion(matrix: Tensor, labels: Sequence[str]) -> list[list[Any]]:
    header: list[Any] = ["true \\ predicted", *labels]
    return [header, *([label, *row] for label, row in zip(labels, matrix.tolist(), strict=True))]


def _decisions(matrix: Tensor, labels: Sequence[str]) -> list[list[Any]]:
    header: list[Any] = ["label", "true negatives", "false positives", "false negatives", "true positives"]
    return [header, *([label, *row] for label, row in zip(labels, matrix.flatten(1).tolist(), strict=True))]
