"""Logits where they are wanted: a vocabulary's worth of numbers for each token is most of a small model's work."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.tasks.read_tokens import plain_model, read_alone

if TYPE_CHECKING:
    from torch import Tensor, nn


def outputs_at(model: Any, inputs: Mapping[str, Tensor], places: Tensor) -> tuple[Any, Tensor]:
    """What ``model`` computes, and its logits (places, vocabulary) where ``places`` (rows, tokens) is True.

    The last layer, from hidden states to the vocabulary, is applied to these alone, where the model has it as a module
    of its own; the logits among the outputs are then no more than these. So is most of an encoder's last layer below,
    where nothing else reads it (:mod:`pipeline.tasks.read_tokens`).
    """
    plain = plain_model(model)
    options: dict[str, Any] = {}
    if "use_cache" in inspect.signature(plain.forward).parameters:
        options["use_cache"] = False  # Keys and values of a text that is there already are of no use.
    if type(plain).__name__.endswith("ForMaskedLM"):
        with read_alone(model, lambda hidden: _at(places, hidden).unsqueeze(0)) as alone:
            if alone:
                outputs = model(**inputs, **options)
                return outputs, outputs.logits[0]
    last = plain.get_output_embeddings()
    hook = None if last is None else last.register_forward_pre_hook(_only(places))
    try:
        outputs = model(**inputs, **options)
    finally:
        if hook is not None:
            hook.remove()
    logits = outputs.get("prediction_logits", outputs.get("logits"))
    return outputs, logits if logits.ndim == 2 else logits[:, -places.shape[1] :][places]


def _at(places: Tensor, hidden: Tensor) -> Tensor:
    # Prompt tuning has learned tokens in front of those of the text.
    return hidden[:, -places.shape[1] :][places]


def _only(places: Tensor) -> Any:
    def choose(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
        fits = inputs[0][:, -places.shape[1] :].shape[:-1] == places.shape
        return (_at(places, inputs[0]), *inputs[1:]) if fits else None

    return choose
