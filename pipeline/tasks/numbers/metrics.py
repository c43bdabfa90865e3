"""Scores of predicted numbers in the units of the data, by scikit-learn and scipy.

Names: ``mse``, ``rmse``, ``mae``, ``pearson``, ``spearman`` and ``r2``; with several targets each is the mean over
them, and ``mse/<target>`` and so on are of one. What has no value is given the one that says nothing was found:
correlations are 0 where predictions or targets are all the same, and so is ``r2`` where the targets are (1 if all of
them are right), as in scikit-learn.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline.tasks.base import Head, Scores

if TYPE_CHECKING:
    import numpy as np

HIGHER_IS_BETTER = {"mse": False, "rmse": False, "mae": False, "pearson": True, "spearman": True, "r2": True}


def in_units(outputs: Tensor, head: Head, *, clip: bool) -> Tensor:
    """Standardised values in the units of the data, in float64 on the CPU. (…, targets) both."""

    def fact(name: str) -> Tensor:
        return torch.tensor(head[f"target_{name}"], dtype=torch.float64)

    values = outputs.detach().cpu().double() * fact("scale") + fact("mean")
    return values.clamp(fact("low"), fact("high")) if clip else values


class RegressionMetrics(Metric):
    """Holds a pair of float32 numbers for every target of every row: ranks need all of them."""

    full_state_update = False
    predictions: list[Tensor]
    targets: list[Tensor]

    def __init__(self, head: Head, *, clip: bool) -> None:
        super().__init__()
        self.head, self.clip = head, clip
        self.add_state("predictions", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Both standardised: (examples, targets)."""
        self.predictions.append(predictions.detach().float())
        self.targets.append(targets.float())

    def sync(self, *args: Any, **kwargs: Any) -> None:
        # A process without a batch takes part with no rows: the others wait for it.
        for state in (self.predictions, self.targets):
            if isinstance(state, list) and not state:
                state.append(torch.empty(0, len(self.head["target_names"]), device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, list[float]]:
        """Each metric of each target."""
        from torchmetrics.utilities import dim_zero_cat

        predicted = in_units(dim_zero_cat(self.predictions), self.head, clip=self.clip).numpy()
        true = in_units(dim_zero_cat(self.targets), self.head, clip=False).numpy()
        of_each = [_scores(predicted[:, i], true[:, i]) for i in range(true.shape[1])]
        return {name: [scores[name] for scores in of_each] for name in HIGHER_IS_BETTER}


def _scores(predicted: "np.ndarray", true: "np.ndarray") -> dict[str, float]:
    """Of one target. Both: (rows,)."""
    import numpy as np
    from scipy import stats
    from sklearn import metrics

    squared = float(metrics.mean_squared_error(true, predicted))
    scores = {
        "mse": squared,
        "rmse": squared**0.5,
        "mae": float(metrics.mean_absolute_error(true, predicted)),
        "pearson": 0.0,
        "spearman": 0.0,
        # scikit-learn has no value for a single row, which is as constant as several equal ones.
        "r2": float(metrics.r2_score(true, predicted)) if len(true) > 1 else float(squared == 0),
    }
    if np.ptp(predicted) > 0 and np.ptp(true) > 0:
        with warnings.catch_warnings():
            # Of predictions that are almost constant, whose correlation is not exact.
            warnings.simplefilter("ignore")
            found = {
                "pearson": float(stats.pearsonr(true, predicted).statistic),
                "spearman": float(stats.spearmanr(true, predicted).statistic),
            }
        scores |= {name: value for name, value in found.items() if np.isfinite(value)}
    return scores


def scores_of(computed: Mapping[str, Sequence[float]], names: Sequence[str]) -> Scores:
    """Means over the targets, and with several of them each by its name."""
    values = {name: sum(computed[name]) / len(names) for name in HIGHER_IS_BETTER}
    if len(names) > 1:
        for metric in HIGHER_IS_BETTER:
            values |= {f"{metric}/{name}": value for name, value in zip(names, computed[metric], strict=True)}
    return Scores(values)


def directions(names: Sequence[str]) -> dict[str, bool]:
    """Whether higher is better, for every name that :func:`scores_of` may give."""
    each = names if len(names) > 1 else ()
    return HIGHER_IS_BETTER | {
        f"{metric}/{name}": higher for metric, higher in HIGHER_IS_BETTER.items() for name in each
    }
