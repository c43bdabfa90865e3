"""What prompt and prefix tuning share: tokens that no text has, in front of every text, and how they are saved."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import Tensor, nn


@component
class VirtualTokens(Strategy):
    """Base of strategies that train so many virtual ``tokens`` and the head, and leave the backbone as it is.

    They are no part of the model's weights, so there is nothing to merge.
    """

    # How many there are.
    tokens: Annotated[int, Field(ge=1)] = 20

    mergeable: ClassVar[bool] = False

    @property
    def virtual_tokens(self) -> int:
        return self.tokens

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """Packed documents number their positions themselves, each from its own start."""
        if getattr(spec.task, "packing", False):
            what = (
                "the learned tokens stand in front of a block, where its first document alone would see them"
            )
            yield Problem("task.packing", what, "task.packing=false")

    def task_type(self, model: "nn.Module") -> str:
        """PEFT's name of the model's task. Raises BadInput where it has none, and for a pooled model."""
        from pipeline.strategies import peft_models

        # Of pipeline.models.pooled, which pools what its backbone makes of the inputs that it knows of.
        if hasattr(model, "features") and hasattr(model, "classify"):
            what = "PEFT puts no learned tokens in front of a model that pools"
            allowed = "null and task.head_layers=[], or strategy=lora or adapters"
            raise BadInput(Problem("task.pooling", what, allowed))
        kind = peft_models.task_type(model)
        if kind is None:
            what = f"PEFT puts no learned tokens in front of what {type(model).__name__} reads"
            raise BadInput(Problem("strategy", what, "strategy=lora, strategy=adapters or strategy=ia3"))
        return kind

    def with_tokens(self, model: "nn.Module", config: "PeftConfig") -> "nn.Module":
        """The model as PEFT adapts it. Everything outside of the backbone, and what the
        checkpoint does not have, is trained too."""
        from pipeline.strategies import peft_models
        from pipeline.strategies.parts import whole_modules

        config.modules_to_save = whole_modules(model) or None  # type: ignore[attr-defined,arg-type]
        return peft_models.wrapped(model.requires_grad_(False), config)

    def text(self, batches: "Sequence[Mapping[str, Tensor]]") -> "Tensor":
        """(tokens,) numbers of the words with which the training texts begin, over again where they are too few."""
        import torch

        ids = torch.cat([batch["input_ids"][_real(batch)] for batch in batches])
        return ids.repeat(-(-self.tokens // len(ids)))[: self.tokens]

    def merge(self, model: Any) -> "nn.Module":
        from pipeline.strategies import peft_models

        return peft_models.with_trained_heads(model)

    def save(self, model: Any, folder: str) -> Sequence[str]:
        """The learned tokens and the head, as PEFT loads them."""
        from pipeline.strategies import peft_models

        return peft_models.save(model, folder)

    def load(self, model: "nn.Module", folder: str) -> "nn.Module":
        from peft import PeftModel

        return PeftModel.from_pretrained(model, folder)


def _real(batch: "Mapping[str, Tensor]") -> "Tensor":
    import torch

    mask = batch.get("attention_mask")
    return (torch.ones_like(batch["input_ids"]) if mask is None else mask).bool()
