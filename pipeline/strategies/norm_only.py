"""Of the backbone, nothing but its normalisation layers is trained."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class NormOnly(Strategy):
    """Scales and biases of LayerNorm and RMSNorm, and the head (Qi et al. 2022, arXiv:2211.08682)."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-2

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for a model without norms that have weights."""
        from pipeline.strategies.parts import norm_weights, train_heads_and

        weights = norm_weights(model)
        if not weights:
            what = f"{type(model).__name__} has no normalisation layers with weights"
            raise BadInput(Problem("strategy", what, "strategy=full or strategy=lora"))
        train_heads_and(model, weights)  # type: ignore[arg-type]
        return model
