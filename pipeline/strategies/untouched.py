"""Nothing is trained: what a run with train=false has in place of its strategy."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class Untouched(Strategy):
    """The model as it was pretrained."""

    learning_rate: Annotated[float, Field(gt=0)] = 1.0  # which nothing reads

    def adapt(self, model: "nn.Module") -> "nn.Module":
        return model.requires_grad_(False)
