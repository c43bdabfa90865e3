"""The last layers of the backbone are trained, and the head: what lies below them stays as it was pretrained."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn

    from pipeline.strategies.cuts import Cut


@component
class LastLayers(Strategy):
    """Layers and head above a frozen part, as Lee et al. 2019 (arXiv:1911.03090) do it, who found a fourth of BERT's
    layers enough for nine tenths of the quality.

    Embeddings, those that predict words with the same weights, and the layers below stay in eval mode: they give the
    same for the same example. Of an encoder–decoder the layers are the decoder's, and its encoder is below them.
    """

    # How many layers are trained, from the last one down.
    layers: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for more layers than there are, or a model that has them in no list."""
        from pipeline.strategies.parts import backbone_parts

        parts = backbone_parts(model)  # type: ignore[arg-type]
        # What is no part of the backbone came with the task, or predicts words.
        model.requires_grad_(True)
        for part in parts:
            part.requires_grad_(False)
        for part in self.unfrozen(model):
            part.requires_grad_(True)
        return model

    def unfrozen(self, model: Any) -> "list[nn.Module]":
        """The modules of the backbone that are trained."""
        from pipeline.strategies.layers import above, layer_list

        name, layers = layer_list(model)
        if self.layers > len(layers):
            what = f"{type(model).__name__} has {len(layers)} layers in {name}"
            raise BadInput(Problem("strategy.layers", what, f"1 to {len(layers)}"))
        return [*layers[len(layers) - self.layers :], *above(model, name)]

    def train_mode(self, model: "nn.Module") -> None:
        from pipeline.strategies.parts import backbone_parts

        model.train()
        for part in backbone_parts(model):  # type: ignore[arg-type]
            part.eval()
        for part in self.unfrozen(model):
            part.train()

    def frozen_prefix(self, model: Any) -> "Cut | str":
        """The embeddings and the layers below, or a whole encoder."""
        from pipeline.strategies.cuts import LayersBelow, OutputOf
        from pipeline.strategies.layers import encoder_name, layer_list

        if encoder := encoder_name(model):
            return OutputOf(encoder, "last_hidden_state", "all")
        name, layers = layer_list(model)
        if self.layers == len(layers):
            return "all layers are trained, and embeddings take no time"
        return LayersBelow(name, len(layers) - self.layers)
