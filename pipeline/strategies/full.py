"""Full fine-tuning: every weight is trained."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class Full(Strategy):
    """Every weight is trained, with the learning rate of Devlin et al. (2019, appendix A.3) by default."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-5

    def adapt(self, model: "nn.Module") -> "nn.Module":
        return model.requires_grad_(True)
