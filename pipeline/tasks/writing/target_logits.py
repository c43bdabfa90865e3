"""What a language model computes for the tokens that it is to write, given those before them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.tasks.read_tokens import plain_model
from pipeline.tasks.token_loss import IGNORED

if TYPE_CHECKING:
    from torch import Tensor, nn


def target_logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Logits for every position of ``labels``: (rows, length of labels, vocabulary).

    An encoder-decoder's labels are its targets; a decoder's (which has ``prompt_ids`` in its batch) belong to the
    last positions of ``input_ids``.
    """
    plain = plain_model(model)
    accepted = inspect.signature(plain.forward).parameters
    inputs: dict[str, Any] = {name: batch[name] for name in ("input_ids", "attention_mask")}
    if "use_cache" in accepted:
        inputs["use_cache"] = False  # keys and values serve generation; here they would only take memory
    labels = batch["labels"]
    if "prompt_ids" not in batch:
        return model(**inputs, decoder_input_ids=shifted(plain, labels)).logits
    width = labels.shape[1]
    if "logits_to_keep" in accepted:
        # Prompts have no loss: their logits, as long as the vocabulary, are not computed.
        inputs["logits_to_keep"] = width + 1
    return model(**inputs).logits[:, -width - 1 : -1]


def shifted(model: Any, labels: Tensor) -> Tensor:
    """What a decoder reads to write ``labels``: all but the last of them, after the token that begins a text."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return model.prepare_decoder_input_ids_from_labels(labels)
    # As the others (M2M100, Blenderbot, …) do inside of their forward pass.
    moved = labels.new_zeros(labels.shape)
    moved[:, 1:] = labels[:, :-1]
    moved[:, 0] = model.config.decoder_start_token_id
    return moved.masked_fill(moved == IGNORED, model.config.pad_token_id)
