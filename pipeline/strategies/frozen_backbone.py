"""The head alone is trained, on the features that the pretrained model gives as it is."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn

    from pipeline.strategies.cuts import Cut


@component
class FrozenBackbone(Strategy):
    """Nothing of the backbone changes, and it stays in eval mode while the head trains.

    Without dropout below the head an example always has the same features. Hugging Face's Trainer on a model
    with ``requires_grad=False`` leaves that dropout on.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 2e-2
    # What suits a head that cannot change what it reads; task.pooling takes it unless set, where a task has one.
    pooling: str | None = "auto"

    # Those that are new; what predicts words was pretrained, and a bare backbone has nothing to train.
    heads: ClassVar[tuple[str, ...] | None] = (
        "sequence_classification",
        "token_classification",
        "question_answering",
        "multiple_choice",
    )

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for a model without a head."""
        from pipeline.strategies.parts import backbone_parts, head_names

        heads = head_names(model)  # type: ignore[arg-type]
        if not heads:
            what = f"{type(model).__name__} has no head beside its backbone, so nothing would be trained"
            raise BadInput(Problem("strategy", what, "strategy=full or strategy=lora"))
        model.requires_grad_(False)
        for name in heads:
            model.get_submodule(name).requires_grad_(True)
        # Weights that the head shares with the backbone stay as they are.
        for part in backbone_parts(model):  # type: ignore[arg-type]
            part.requires_grad_(False)
        return model

    def train_mode(self, model: "nn.Module") -> None:
        from pipeline.strategies.parts import backbone_parts

        model.train()
        for part in backbone_parts(model):  # type: ignore[arg-type]
            part.eval()

    def frozen_prefix(self, model: Any) -> "Cut | str":
        """The whole backbone."""
        from pipeline.strategies.cuts import FeaturesOf, OutputOf

        if hasattr(model, "features") and hasattr(model, "classify"):
            # A pooling that learns nothing is done once too.
            return FeaturesOf(pooled=model.pool is None and model.config.pooling is not None)
        if model.base_model is model:
            return f"the backbone of {type(model).__name__} is no module of its own"
        return OutputOf(model.base_model_prefix)
