"""What a tuning strategy is: which parameters are trained, and what of them is saved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from torch import nn

    from pipeline.strategies.cuts import Cut


@component
class Strategy:
    """Base of all tuning strategies: one file in ``pipeline/strategies`` (or your module) and one yaml."""

    # The learning rate that suits this strategy; optimizer.lr takes it unless set.
    learning_rate: Annotated[float, Field(gt=0)]

    # The kinds of head (`pipeline.models.heads`) with which there is something to train. None: with any.
    heads: ClassVar[tuple[str, ...] | None] = None

    # Whether what was trained can be folded into the model's own weights.
    mergeable: ClassVar[bool] = True

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Freeze, wrap or extend ``model`` so that exactly what should be trained requires a gradient.

        Must also work on the meta device: that is how parameters are counted before anything is spent.
        Raises BadInput where the model has nothing that this strategy can train.
        """
        raise NotImplementedError

    def parameter_groups(self, model: "nn.Module", weight_decay: float) -> list[dict[str, Any]]:
        """Optimizer groups of the trained parameters; no weight decay on biases and norms.

        Follows the common practice since BERT (Devlin et al. 2019, appendix A.2): one-dimensional parameters
        (biases, LayerNorm and RMSNorm scales) are not decayed.
        """
        decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]

    def train_mode(self, model: "nn.Module") -> None:
        """Put ``model`` in training mode; a strategy that freezes a part may keep that part in eval mode."""
        model.train()

    def frozen_prefix(self, model: "nn.Module") -> "Cut | str | None":
        """Where the part of the adapted ``model`` ends that is frozen from its inputs upward, in eval mode also while
        the rest trains, and computes nothing that this strategy added: it hands on the same for the same example.

        A text says why there is no such place in this model; None: the strategy leaves nothing to be computed once.
        Must also work on the meta device.
        """
        return None

    def merge(self, model: "nn.Module") -> "nn.Module":
        """A plain transformers model with the tuned weights folded in."""
        return model

    def save(self, model: "nn.Module", folder: str) -> Sequence[str]:
        """Write what this strategy adds beside the merged model (an adapter) into ``folder``; its files."""
        return ()


def trained_keys(model: "nn.Module") -> set[str]:
    """The keys of ``model.state_dict()`` that training changes, and that a checkpoint therefore has to hold.

    These are the parameters that require a gradient, under each name that a tied one has, and all buffers:
    they are few, and any of them (running statistics, for one) may change in a forward pass.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return {key for key in model.state_dict() if key not in parameters or parameters[key].requires_grad}
