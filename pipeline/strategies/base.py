"""What a tuning strategy is: which parameters are trained, and what of them is saved."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.rates import (
    Pattern,
    Rate,
    Rule,
    described,
    groups,
    head_parameters,
    rules,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.strategies.cuts import Cut

HeadRate = Literal["auto"] | Annotated[float, Field(gt=0)]


@component
class Strategy:
    """Base of all tuning strategies: one file in ``pipeline/strategies`` (or your module) and one yaml."""

    # The learning rate that suits this strategy; optimizer.lr takes it unless set.
    learning_rate: Annotated[float, Field(gt=0)]

    # What the learning rate of the new head is multiplied by. auto: what `head_rates` gives, where there is one.
    head_rate: HeadRate = 1.0
    # Learning rates of weights by their names; of several that fit the first counts.
    rates: tuple[Rate, ...] = ()
    # Regular expressions for names of weights that are not decayed, beside norms and biases.
    no_decay: tuple[Pattern, ...] = ()

    # The kinds of head (`pipeline.models.heads`) with which there is something to train. None: with any.
    heads: ClassVar[tuple[str, ...] | None] = None

    # auto, for a head of two classes and for one of many, which see theirs less often; between, with the root of their
    # number. Random weights have further to go than pretrained ones; docs/decisions.md says what it brings.
    head_rates: ClassVar[tuple[float, float]] = (20.0, 20.0)

    # Optimizer steps that small data are trained for where no length is given.
    least_steps: ClassVar[int] = 200

    # Whether it works on weights that are cut over processes (hardware.sharding).
    shardable: ClassVar[bool] = True

    # Whether what it adds is trained on other weights than the checkpoint's, which come of quantising these.
    quantises: ClassVar[bool] = False

    # Whether what is tuned folds into the weights. Where it does not, a run's model/ holds two folders: base, what
    # `merge` gives, and adapter, what `save` writes and `load` puts on it.
    mergeable: ClassVar[bool] = True

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Freeze, wrap or extend ``model`` so that exactly what should be trained requires a gradient.

        Must also work on the meta device: that is how parameters are counted before anything is spent.
        Raises BadInput where the model has nothing that this strategy can train.
        """
        raise NotImplementedError

    def start(self, model: "nn.Module", batches: "Sequence[Mapping[str, Tensor]]") -> None:
        """Set new weights of the adapted ``model`` by what it makes of training examples, before a run's first step.

        batches: inputs of the model, the same in every process; of ``looks_at`` examples.
        """

    @property
    def looks_at(self) -> int:
        """How many training examples :meth:`start` looks at."""
        return 0

    def parameter_groups(self, model: "nn.Module", weight_decay: float) -> list[dict[str, Any]]:
        """Optimizer groups of the trained parameters; no weight decay on biases and norms.

        Follows the common practice since BERT (Devlin et al. 2019, appendix A.2): one-dimensional parameters
        (biases, LayerNorm and RMSNorm scales) are not decayed. A group's ``factor`` is what the learning rate is
        multiplied by; one with ``factor`` None has an ``lr`` of its own.
        """
        return groups(model, self.rules(model), weight_decay)

    def rules(self, model: "nn.Module") -> dict[str, Rule]:
        """How each trained weight is trained. Raises BadInput for options that fit nothing of ``model``."""
        return rules(
            model,
            factors=self.factors(model),
            rates=self.rates,
            no_decay=self.no_decay,
            stages=self.stages(model),
        )

    def factors(self, model: "nn.Module") -> dict[str, float]:
        """What the learning rates of weights are multiplied by, where it is not 1."""
        if self.head_rate == 1:
            return {}
        head = head_parameters(model)
        if self.head_rate == "auto":
            least, most = self.head_rates
            return dict.fromkeys(head, min(most, round(least * math.sqrt(max(_classes(model), 2) / 2), 1)))
        if not head:
            what = f"{type(model).__name__} has no new head"
            raise BadInput(Problem("strategy.head_rate", what, "auto, or 1.0"))
        return dict.fromkeys(head, self.head_rate)

    def labels(self, model: "nn.Module") -> dict[str, str]:
        """What weights with another learning rate are called in a plan."""
        return {} if self.head_rate == 1 else dict.fromkeys(head_parameters(model), "head")

    def stages(self, model: "nn.Module") -> dict[str, int]:
        """The stage in which weights begin to be trained, where it is not the first, 0."""
        return {}

    def is_frozen(self, group: Mapping[str, Any], step: int, epoch: int) -> bool:
        """Whether an optimizer group is left as it is in a step; steps and epochs count from 0."""
        return False

    def describe(self, model: "nn.Module") -> dict[str, str]:
        """What a person should see of it before training: what, and its text. Raises BadInput as :meth:`rules` does."""
        rules = self.rules(model)
        return described(model, rules, labels=self.labels(model), rates=self.rates, no_decay=self.no_decay)

    @property
    def virtual_tokens(self) -> int:
        """Tokens that the model reads in front of every text, beside those of the text."""
        return 0

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


def _classes(model: Any) -> int:
    """Outputs of the model's head; of a model within adapters too."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return int(plain.config.num_labels)


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
