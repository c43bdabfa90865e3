"""Where the frozen part of a model ends: what it hands on there can be stored and given again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torch import nn

    from pipeline.strategies.stand_ins import StandIns

# Which vectors of a text are read above the cut. text: one that is none of a token's.
Read = Literal["text", "first", "last", "all"]


@dataclass(frozen=True)
class OutputOf:
    """Nothing of a module is trained, and what reads its outputs may be.

    module: its name in the model. field: the output that is read, and read: which vectors of it. Both are found by
    :func:`pipeline.strategies.stand_ins.what_is_read`, and empty before.
    """

    module: str
    field: str = ""
    read: Read = "all"

    # Whether a part of the model that writes text can be used while outputs are given, as an encoder is.
    generates: ClassVar[bool] = True

    def text(self) -> str:
        vectors = {
            "text": "",
            "first": ", of the first token",
            "last": ", of the last token",
            "all": ", of all tokens",
        }
        return f"{self.field.replace('_', ' ')} of {self.module}{vectors[self.read]}"

    def stand_ins(self, model: nn.Module) -> StandIns:
        from pipeline.strategies.stand_ins import OutputGiven

        return OutputGiven(model, self)


@dataclass(frozen=True)
class FeaturesOf:
    """Nothing of a pooled model's backbone is trained (``pipeline.models.pooled``): its head reads what the model's
    method ``features`` gives.

    pooled: whether that is one vector a text.
    """

    pooled: bool

    generates: ClassVar[bool] = True

    @property
    def read(self) -> Read:
        return "text" if self.pooled else "all"

    def text(self) -> str:
        return "pooled hidden states of the backbone" if self.pooled else "hidden states of the backbone"

    def stand_ins(self, model: nn.Module) -> StandIns:
        from pipeline.strategies.stand_ins import FeaturesGiven

        return FeaturesGiven(model)


@dataclass(frozen=True)
class LayersBelow:
    """Nothing below a layer is trained: embeddings, and the layers before it.

    layers: the name of the list of layers. number: of the first one that is trained.
    """

    layers: str
    number: int

    read: ClassVar[Read] = "all"
    generates: ClassVar[bool] = False

    def text(self) -> str:
        return f"hidden states below layer {self.number} of {self.layers}"

    def stand_ins(self, model: nn.Module) -> StandIns:
        from pipeline.strategies.stand_ins import LayersSkipped

        return LayersSkipped(model, self)


Cut = OutputOf | FeaturesOf | LayersBelow


def cut_of(facts: dict[str, Any]) -> Cut:
    """The cut whose fields were written as JSON."""
    kinds: tuple[type[Cut], ...] = (OutputOf, FeaturesOf, LayersBelow)
    return next(kind for kind in kinds if {field.name for field in fields(kind)} == facts.keys())(**facts)
