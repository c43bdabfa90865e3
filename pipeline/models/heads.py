"""The kinds of head that transformers puts on a model, and which of them a model can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing
from pipeline.models.origin import WHERE

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# What a model's yaml and a task say of heads, and the Auto class of transformers that each stands for.
AUTO_CLASSES = {
    "sequence_classification": "AutoModelForSequenceClassification",
    "token_classification": "AutoModelForTokenClassification",
    "question_answering": "AutoModelForQuestionAnswering",
    "multiple_choice": "AutoModelForMultipleChoice",
    "pretraining": "AutoModelForPreTraining",
    "masked_lm": "AutoModelForMaskedLM",
    "causal_lm": "AutoModelForCausalLM",
    "seq2seq_lm": "AutoModelForSeq2SeqLM",
    "backbone": "AutoModel",
}


def auto_class(config: PretrainedConfig, heads: Sequence[str]) -> str:
    """The Auto class of the first of ``heads`` that transformers has for the architecture.

    Raises BadInput, with the architectures that can, where it has none of them.
    """
    import transformers

    classes = [AUTO_CLASSES[head] for head in heads]
    for name in classes:
        if type(config) in getattr(transformers, name)._model_mapping:
            return name
    first = getattr(transformers, classes[0])
    able = sorted(first._model_mapping._model_mapping)
    what = (
        f"{config.model_type} cannot do {classes[0].removeprefix('AutoModelFor')}, because transformers has no "
        f"{' or '.join(classes)} of it"
    )
    raise BadInput(Problem(WHERE, what, f"models that can: {listing(able, most=len(able))}"))
