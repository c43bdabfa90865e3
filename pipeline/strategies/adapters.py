"""Bottleneck adapters: small networks behind the feed-forward part of every layer, and the head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class Adapters(Strategy):
    """Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751), by default where Pfeiffer et al. (2021,
    arXiv:2005.00247) found that one a layer is enough.

    ``h + W2 f(W1 h)`` in place of the output h of a module; W2 starts as zero, so that training starts from the
    pretrained model. What is not linear cannot be merged into the weights.
    """

    # Names of the Linear modules whose output goes through an adapter, as for `lora`. null: the last of each layer,
    # which ends its feed-forward part.
    modules: list[str] | str | None = None
    # What goes through is narrower by this factor inside.
    reduction_factor: Annotated[int, Field(ge=1)] = 16
    activation: Literal["relu", "gelu", "silu"] = "relu"
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3

    mergeable: ClassVar[bool] = False

    # Not a bare backbone, whose embeddings other libraries would make without the adapters.
    heads: ClassVar[tuple[str, ...] | None] = (
        "sequence_classification",
        "token_classification",
        "question_answering",
        "multiple_choice",
        "pretraining",
        "masked_lm",
        "causal_lm",
        "seq2seq_lm",
    )

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput, with the names there are, where a name is no Linear module of the backbone."""
        from pipeline.strategies import bottleneck
        from pipeline.strategies.parts import train_heads_and
        from pipeline.strategies.targets import chosen

        names = list(chosen(model, self.modules)) if self.modules is not None else last_of_layers(model)
        train_heads_and(model, ())  # type: ignore[arg-type]
        return bottleneck.attach(model, names, self.reduction_factor, self.activation)

    def merge(self, model: "nn.Module") -> "nn.Module":
        """The model without its adapters, with the head as it was trained."""
        from pipeline.strategies import bottleneck

        return bottleneck.detach(model)

    def save(self, model: "nn.Module", folder: str) -> Sequence[str]:
        """The adapters, and the Python file that puts them on a model without this program."""
        from pipeline.strategies import bottleneck

        return bottleneck.save(model, folder)

    def load(self, model: "nn.Module", folder: str) -> "nn.Module":
        from pipeline.strategies import bottleneck

        return bottleneck.load(model, folder)


def last_of_layers(model: "nn.Module") -> list[str]:
    """The last Linear module of each layer with more than one output. A layer is an item of a list that is not within
    another such item (a layer of T5 is itself a list of parts).

    Raises BadInput where there is none, and where that of a layer belongs to its attention: experts are often no Linear
    modules, and then nothing ends the feed-forward part.
    """
    from torch import nn

    from pipeline.strategies.parts import linear_modules

    linear = linear_modules(model)  # type: ignore[arg-type]
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    last: dict[str, str] = {}
    for full, module in linear.items():
        if module.weight.shape[0 if isinstance(module, nn.Linear) else 1] == 1:  # type: ignore[index]
            continue  # Such a one weighs what others compute, as Qwen2-MoE's of shared experts.
        for name in outer:
            if full.startswith(f"{name}."):
                last[f"{name}.{full.removeprefix(f'{name}.').partition('.')[0]}"] = full
    if not last:
        what = f"{type(model).__name__} has no layers with Linear modules"
        raise BadInput(Problem("strategy.modules", what, "names of modules to put adapters behind"))
    for layer, full in last.items():
        if "attn" in (inner := full.removeprefix(f"{layer}.")) or "attention" in inner:
            what = f"in {layer} of {type(model).__name__} no Linear module follows the attention"
            raise BadInput(Problem("strategy.modules", what, "names of modules to put adapters behind"))
    return list(last.values())
