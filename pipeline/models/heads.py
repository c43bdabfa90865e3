"""The kinds of head that transformers puts on a model, and which of them a model can have."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import BadInput, Problem, listing
from pipeline.models.origin import WHERE

if TYPE_CHECKING:
    from transformers import PretrainedConfig

HeadName = Literal[
    "sequence_classification",
    "token_classification",
    "question_answering",
    "multiple_choice",
    "pretraining",
    "masked_lm",
    "causal_lm",
    "seq2seq_lm",
    "text_encoding",
    "backbone",
]
# What a model's yaml, a task and a strategy say of heads, and the Auto class of transformers that each stands for.
# `pretraining` is BERT's: masked words and the next sentence. `text_encoding` is the encoder of an encoder–decoder.
AUTO_CLASSES: dict[HeadName, str] = {
    "sequence_classification": "AutoModelForSequenceClassification",
    "token_classification": "AutoModelForTokenClassification",
    "question_answering": "AutoModelForQuestionAnswering",
    "multiple_choice": "AutoModelForMultipleChoice",
    "pretraining": "AutoModelForPreTraining",
    "masked_lm": "AutoModelForMaskedLM",
    "causal_lm": "AutoModelForCausalLM",
    "seq2seq_lm": "AutoModelForSeq2SeqLM",
    "text_encoding": "AutoModelForTextEncoding",
    "backbone": "AutoModel",
}


def heads_of(config: PretrainedConfig) -> list[str]:
    """The heads that an architecture can have, and that mean on it what their name says."""
    return [head for head in AUTO_CLASSES if _has(config, head)]


def auto_class(config: PretrainedConfig, heads: Sequence[str]) -> str:
    """The Auto class of the first of ``heads`` that the architecture can have.

    Raises BadInput, with the architectures that can, where it can have none of them.
    """
    for head in heads:
        if _has(config, head):
            return AUTO_CLASSES[head]  # type: ignore[index]
    classes = [AUTO_CLASSES[head] for head in heads]  # type: ignore[index]
    able = sorted(_architectures(classes[0]))
    none = f"transformers has no {' or '.join(classes)} of it"
    if any(type(config) in _mapping(name) for name in classes):
        none = "as this head is made, it would read what it should predict, or lack a part"
    what = f"{config.model_type} cannot do {classes[0].removeprefix('AutoModelFor')}, because {none}"
    raise BadInput(Problem(WHERE, what, f"models that can: {listing(able, most=len(able))}"))


def _has(config: PretrainedConfig, head: str) -> bool:
    found = _mapping(AUTO_CLASSES[head])  # type: ignore[index]
    if type(config) not in found:
        return False
    if head == "causal_lm":
        return _reads_forwards(config)
    if head == "pretraining":
        # Under this name transformers lists whatever an architecture was pretrained with.
        return "next_sentence_label" in inspect.signature(found[type(config)].forward).parameters
    if head == "text_encoding":
        return _has_two_halves(config)
    # What comes out of an encoder–decoder without a head belongs to the decoder's next token.
    return head != "backbone" or not _has_two_halves(config)


def _reads_forwards(config: PretrainedConfig) -> bool:
    """Whether a token is predicted from those before it alone.

    Encoders have a causal head in transformers too, which sees the whole text unless ``is_decoder`` is set, and half
    of an encoder–decoder is none that was trained to stand alone.
    """
    if _has_two_halves(config) or getattr(config, "attn_type", None) == "bi":
        return False
    return bool(getattr(config, "is_decoder", False)) or type(config) not in _mapping("AutoModelForMaskedLM")


def _has_two_halves(config: PretrainedConfig) -> bool:
    """Whether the architecture is an encoder–decoder. An encoder that was saved alone says of itself that it is none,
    and its architecture is the same."""
    return config.is_encoder_decoder or type(config) in _mapping("AutoModelForSeq2SeqLM")


def _mapping(auto: str) -> Any:
    """Configuration class -> model class."""
    import transformers

    return getattr(transformers, auto)._model_mapping


def _architectures(auto: str) -> list[str]:
    return list(_mapping(auto)._model_mapping)
