"""An encoder's last layer, computed where it is read: what follows its attention is of each token by itself.

A head that reads the first token leaves nine twelfths of that layer's products, and their gradients, unread for all
others: an eighth of all products in a model of six layers. What is read comes out as it would (but for dropout, whose
masks are drawn for fewer numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

# By architecture, the layers in the backbone, and the module of a layer that what follows attention begins with. It is
# given attention's result and the layer's input (texts, tokens, hidden size), or their sum, and all that comes after it
# reads no more than it gives.
_BERT = ("encoder.layer", "attention.output")
_BEGINS = {
    "bert": _BERT,
    "camembert": _BERT,
    "deberta": _BERT,
    "deberta-v2": _BERT,
    "distilbert": ("transformer.layer", "sa_layer_norm"),
    "electra": _BERT,
    "ernie": _BERT,
    "mpnet": ("encoder.layer", "attention.LayerNorm"),
    "roberta": _BERT,
    "xlm-roberta": _BERT,
}
# Settings with which there is more to it: a decoder can read another text, and parts in chunks count tokens.
_OTHERWISE = ("is_decoder", "chunk_size_feed_forward")
# Classes of these architectures whose head reads the first token and nothing else.
_READ_FIRST = ("ForSequenceClassification", "ForMultipleChoice")


def plain_model(model: Any) -> Any:
    """The model of transformers inside of what PEFT wraps around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def outputs_of(model: Any, inputs: Mapping[str, Tensor]) -> Any:
    """What a model with a classifier's head computes, without what the head does not read."""
    first = type(plain_model(model)).__name__.endswith(_READ_FIRST)
    with read_alone(model, lambda hidden: hidden[:, :1]) if first else nullcontext():
        return model(**inputs)


@contextmanager
def read_alone(model: Any, choose: Callable[[Tensor], Tensor]) -> Iterator[bool]:
    """Within, the backbone's last hidden states are those alone that ``choose`` takes of (texts, tokens, hidden size).

    False where they are all that there are, as always: in other architectures, and where the last layer is compiled,
    or computed again in the backward pass, which comes later.
    """
    module = _beginning(plain_model(model))
    if module is None:
        yield False
        return
    hook = module.register_forward_pre_hook(lambda _, given: tuple(choose(hidden) for hidden in given))
    try:
        yield True
    finally:
        hook.remove()


def _beginning(model: Any) -> nn.Module | None:
    names = _BEGINS.get(model.config.model_type)
    if names is None or any(getattr(model.config, name, 0) for name in _OTHERWISE):
        return None
    layers = model.base_model.get_submodule(names[0])
    # Above its first layer DeBERTa can have a convolution.
    again = getattr(layers[-1], "gradient_checkpointing", False) and layers[-1].training
    if again or layers[-1]._compiled_call_impl is not None or len(layers) == 1:
        return None
    return layers[-1].get_submodule(names[1])
