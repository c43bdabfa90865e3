"""Full fine-tuning: every weight is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.strategies.base import HeadRate, Strategy
from pipeline.strategies.rates import head_parameters

if TYPE_CHECKING:
    from torch import nn


@component
class Full(Strategy):
    """Every weight is trained, by default with the learning rate that suits the model.

    With ``layer_decay`` what follows the layers (final norm, pooler, head) has the learning rate itself, each layer
    that of the one above it times ``layer_decay``, the embeddings the lowest one (as for ELECTRA, Clark et al. 2020,
    and BEiT, Bao et al. 2022; after the discriminative fine-tuning of Howard and Ruder 2018).

    With ``unfreeze_every`` the new head is trained first (without one, the last layer), and one layer more from the
    top each time, in the end the embeddings (gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146). Gradients
    of what is still frozen are computed and dropped before they are clipped, so that it has neither momentum nor
    decay when its time comes: the same for one process or several, and a function of the step alone, which a resumed
    run knows. It saves no time.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    head_rate: HeadRate = "auto"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    # "epoch", or a number of optimizer steps. null: everything is trained from the start.
    unfreeze_every: Literal["epoch"] | Annotated[int, Field(ge=1)] | None = None

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """What no loss depends on stays frozen: several processes would wait for its gradients."""
        from pipeline.strategies.parts import unread_weights

        model.requires_grad_(True)
        for weight in unread_weights(model):
            weight.requires_grad_(False)
        return model

    def factors(self, model: "nn.Module") -> dict[str, float]:
        from pipeline.strategies.depth import depths

        factors = super().factors(model)
        if self.layer_decay == 1:
            return factors
        found, layers = depths(model, "strategy.layer_decay")  # type: ignore[arg-type]
        return {
            name: factors.get(name, 1.0) * self.layer_decay ** (layers + 1 - depth)
            for name, depth in found.items()
        }

    def labels(self, model: "nn.Module") -> dict[str, str]:
        from pipeline.strategies.depth import called, depths

        if self.layer_decay == 1:
            return super().labels(model)
        found, layers = depths(model, "strategy.layer_decay")  # type: ignore[arg-type]
        above = dict.fromkeys(head_parameters(model), "head")
        return {name: called(depth, layers) for name, depth in found.items()} | above

    def stages(self, model: "nn.Module") -> dict[str, int]:
        from pipeline.strategies.depth import depths

        if self.unfreeze_every is None:
            return {}
        found, layers = depths(model, "strategy.unfreeze_every")  # type: ignore[arg-type]
        # Where there is no new head, a norm or an unused pooler would be alone in the first stage.
        top = layers + 1 if head_parameters(model) else layers
        return {name: max(0, top - depth) for name, depth in found.items()}

    def is_frozen(self, group: Mapping[str, Any], step: int, epoch: int) -> bool:
        if self.unfreeze_every is None:
            return False
        stage = epoch if self.unfreeze_every == "epoch" else step // self.unfreeze_every
        return group.get("stage", 0) > stage

    def describe(self, model: "nn.Module") -> dict[str, str]:
        said, every = super().describe(model), self.unfreeze_every
        if every is None:
            return said
        last = max(self.stages(model).values())
        each, begin = ("epoch", f"epoch {last + 1}")
        if every != "epoch":
            each, begin = f"{every:,} steps", f"step {last * every + 1:,}"
        first = "head" if head_parameters(model) else "last layer"
        return {**said, "unfreezing": f"{first} first, a layer more every {each}, all of it from {begin} on"}
