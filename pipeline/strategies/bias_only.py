"""BitFit: of the backbone, nothing but its biases is trained."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class BiasOnly(Strategy):
    """All biases, those of norms among them, and the head (Ben Zaken et al. 2022, arXiv:2106.10199)."""

    learning_rate: Annotated[float, Field(gt=0)] = 3e-3

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for a backbone without biases, as Llama's is."""
        from pipeline.strategies.parts import backbone_parts, train_heads_and

        inside = {weight for part in backbone_parts(model) for weight in part.parameters()}  # type: ignore[arg-type]
        biases = [weight for name, weight in model.named_parameters() if name.endswith("bias")]
        if inside.isdisjoint(biases):
            what = f"the backbone of {type(model).__name__} has no biases"
            raise BadInput(Problem("strategy", what, "strategy=norm_only, strategy=ia3 or strategy=lora"))
        train_heads_and(model, biases)  # type: ignore[arg-type]
        return model
