"""What a tuning strategy is: which parameters are trained, and what of them is saved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from torch import nn


@component
class Strategy:
    """Base of all tuning strategies: one file in ``pipeline/strategies`` (or your module) and one yaml."""

    # The learning rate that suits this strategy; optimizer.lr takes it unless set.
    learning_rate: Annotated[float, Field(gt=0)]

    # The kinds of head (`pipeline.models.heads`) with which there is something to train. None: with any.
    heads: ClassVar[tuple[str, ...] | None] = None

    # Whether what is tuned folds into the weights. Where it does not, a run's model/ holds two folders: base, what
    # `merge` gives, and adapter, what `save` writes and `load` puts on it.
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
        (biases, LayerNorm and RMSNorm scales) are not decayed. A group may have ``factor``, by which the learning
        rate is multiplied for it.
        """
        decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]

    @property
    def virtual_tokens(self) -> int:
        """Tokens that the model reads in front of every text, beside those of the text."""
        return 0

    def train_mode(self, model: "nn.Module") -> None:
        """Put ``model`` in training mode; a strategy that freezes a part may keep that part in eval mode."""
        model.train()

    def trained(self, model: "nn.Module") -> "nn.Module":
        """The model as it is compared with what is saved of it, once training is over."""
        return model

    def merge(self, model: "nn.Module") -> "nn.Module":
        """A plain transformers model with the tuned weights folded in, or (not ``mergeable``) without the adapter."""
        return model

    def save(self, model: "nn.Module", folder: str) -> Sequence[str]:
        """Write what this strategy adds beside the merged model (an adapter) into ``folder``; its files."""
        return ()

    def load(self, model: "nn.Module", folder: str) -> "nn.Module":
        """What :meth:`merge` gave, with what :meth:`save` wrote into ``folder`` on it. Of those not ``mergeable``."""
        raise NotImplementedError


def trained_keys(model: "nn.Module") -> set[str]:
    """The keys of ``model.state_dict()`` that training changes, and that a checkpoint therefore has to hold.

    These are the parameters that require a gradient, under each name that a tied one has, and all buffers:
    they are few, and any of them (running statistics, for one) may change in a forward pass. How frozen weights are
    quantised is neither.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False)}
    return {
        key
        for key in model.state_dict()
        if key in buffers or (key in parameters and parameters[key].requires_grad)
    }
