"""Prefix tuning: learned keys and values in front of every text, in every layer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.virtual_tokens import VirtualTokens

if TYPE_CHECKING:
    from torch import Tensor, nn

_OTHERS = "strategy=lora, strategy=adapters or strategy=ia3"


@component
class PrefixTuning(VirtualTokens):
    """Prefix tuning (Li and Liang 2021, arXiv:2101.00190) by PEFT; of encoders, P-tuning v2 (arXiv:2110.07602)."""

    # Make keys and values by an MLP of this width, which is trained with them and then left out. null: train them
    # directly.
    projection: Annotated[int, Field(ge=1)] | None = None
    # What the keys and values start as: those that the model has of the words of training texts, or random numbers.
    init: Literal["text", "random"] = "text"
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
            raise BadInput(Problem("strategy", what, _OTHERS))
        if not _attends_everywhere(model):
            what = f"{type(model).__name__} has layers that remember something else than keys and values"
            raise BadInput(Problem("strategy", what, _OTHERS))
        config = PrefixTuningConfig(
            task_type=kind,
            num_virtual_tokens=self.tokens,
            prefix_projection=self.projection is not None,
            encoder_hidden_size=self.projection,  # type: ignore[arg-type]
        )
        return self.with_tokens(model, config)

    @property
    def looks_at(self) -> int:
        return self.tokens if self.init == "text" and self.projection is None else 0

    def start(self, model: Any, batches: "Sequence[Mapping[str, Tensor]]") -> None:
        """Keys and values of real words, where random ones would take the attention from all that the model knows of
        (Li and Liang 2021, section 7.4). Not of encoder–decoders: there PEFT gives two layers the same ones to read.

        Raises BadInput where the model's own are of other sizes than those that PEFT learns.
        """
        import torch

        plain = model.get_base_model()
        if not self.looks_at or _of_two_halves(plain):
            return
        layers = _keys_and_values(plain, self.text(batches)[None])
        config = model.active_peft_config
        width = config.token_dim // config.num_attention_heads
        expected = (1, config.num_attention_heads, self.tokens, width)
        if len(layers) != config.num_layers or any(p.shape != expected for pair in layers for p in pair):
            what = f"{type(plain).__name__} has other keys and values than the {config.num_layers} layers of "
            what += f"{config.num_attention_heads} × {width} numbers that PEFT learns"
            raise BadInput(Problem("strategy", what, _OTHERS))
        # PEFT's order: of a token the key and the value of each layer, heads side by side.
        made = torch.stack([part[0].transpose(0, 1) for layer in layers for part in layer], dim=1)
        for encoder in model.prompt_encoder.values():
            encoder.embedding.weight.data.copy_(made.flatten(1))


def _keys_and_values(model: Any, ids: "Tensor") -> "list[tuple[Tensor, Tensor]]":
    """(1, heads, tokens, width) of each layer's where the model reads ``ids``."""
    import torch
    from transformers import DynamicCache

    from pipeline.strategies.parts import backbone_parts

    reader, cache = (
        next(part for part in (model, *backbone_parts(model)) if _takes_past(part)),
        DynamicCache(),
    )
    was_training = reader.training
    with torch.no_grad():
        reader.eval()(input_ids=ids, past_key_values=cache, use_cache=True)
    reader.train(was_training)
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def _of_two_halves(model: Any) -> bool:
    import transformers

    return type(model.config) in transformers.AutoModelForSeq2SeqLM._model_mapping


def _attends_everywhere(model: Any) -> bool:
    """Whether all layers remember keys and values and nothing else: Jamba's, Qwen3-Next's and LFM2's do not."""
    from transformers import DynamicCache
    from transformers.cache_utils import LinearAttentionCacheLayerMixin

    layers = DynamicCache(config=model.config).layers
    return not any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers)


def _takes_past(model: "nn.Module") -> bool:
    import inspect

    return "past_key_values" in inspect.signature(model.forward).parameters
