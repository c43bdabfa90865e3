"""Prefix tuning: learned keys and values in front of every text, in every layer."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.virtual_tokens import VirtualTokens

if TYPE_CHECKING:
    from torch import nn


@component
class PrefixTuning(VirtualTokens):
    """Prefix tuning (Li and Liang 2021, arXiv:2101.00190) by PEFT; of encoders, P-tuning v2 (arXiv:2110.07602)."""

    # Make keys and values by an MLP of this width, which is trained with them and then left out. null: train them
    # directly.
    projection: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2

    heads: ClassVar[tuple[str, ...] | None] = (
        "sequence_classification",
        "token_classification",
        "question_answering",
        "causal_lm",
        "seq2seq_lm",
    )

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for an architecture that takes no keys and values from outside."""
        from peft import PrefixTuningConfig

        from pipeline.strategies.parts import backbone_parts

        kind = self.task_type(model)
        takers = (model, *backbone_parts(model))  # type: ignore[arg-type]
        # An encoder–decoder takes those of its decoder, whose masks are made for them where it writes.
        if _of_two_halves(model) != (kind == "SEQ_2_SEQ_LM") or not any(map(_takes_past, takers)):
            what = f"{type(model).__name__} takes no keys and values from outside"
            raise BadInput(Problem("strategy", what, "strategy=lora, strategy=adapters or strategy=ia3"))
        config = PrefixTuningConfig(
            task_type=kind,
            num_virtual_tokens=self.tokens,
            prefix_projection=self.projection is not None,
            encoder_hidden_size=self.projection,  # type: ignore[arg-type]
        )
        return self.with_tokens(model, config)


def _of_two_halves(model: Any) -> bool:
    import transformers

    return type(model.config) in transformers.AutoModelForSeq2SeqLM._model_mapping


def _takes_past(model: "nn.Module") -> bool:
    import inspect

    return "past_key_values" in inspect.signature(model.forward).parameters
