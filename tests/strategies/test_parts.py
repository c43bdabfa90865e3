"""Heads and Linear modules are found in every family without asking which it is."""

from typing import Any

import pytest
import transformers

from pipeline.models.heads import AUTO_CLASSES, heads_of
from pipeline.strategies.lora import Lora
from pipeline.strategies.parts import backbone_parts, head_names, linear_modules
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_heads(family: str) -> None:
    assert head_names(families.classifier(family)) == FAMILIES[family].heads


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_linear_modules_are_those_of_the_backbone(family: str) -> None:
    model = families.classifier(family)
    names = linear_modules(model)
    assert names and all(name.startswith(f"{model.base_model_prefix}.") for name in names)


def test_a_bare_backbone_has_no_head() -> None:
    assert head_names(transformers.BertModel(families.config("bert"))) == []


LANGUAGE_MODELS = [
    (family, head)
    for family in FAMILIES
    for head in ("pretraining", "masked_lm", "causal_lm", "seq2seq_lm")
    if head in heads_of(families.config(family))
]


@pytest.mark.parametrize(("family", "head"), LANGUAGE_MODELS)
def test_what_predicts_words_is_no_head_and_is_never_adapted(family: str, head: Any) -> None:
    model = families.random_model(family, AUTO_CLASSES[head])
    assert head_names(model) == []
    words = model.get_output_embeddings()
    linear = linear_modules(model)
    assert linear and all(module is not words for module in linear.values())
    # Tied or not, nothing as large as the vocabulary is trained or saved with an adapter.
    lora: Any = Lora(modules="all-linear", r=2).adapt(model)
    trained = {name: weight for name, weight in lora.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    assert not [name for name, weight in trained.items() if model.config.vocab_size in weight.shape]


def test_an_output_layer_of_its_own_is_no_head_either() -> None:
    tied = transformers.GPT2LMHeadModel(families.config("gpt2"))
    assert tied.lm_head.weight is tied.transformer.wte.weight
    untied = transformers.GPT2LMHeadModel(families.config("gpt2", tie_word_embeddings=False))
    assert head_names(tied) == head_names(untied) == []


def test_a_head_beside_the_parts_of_its_backbone() -> None:
    model: Any = families.random_model("t5", "AutoModelForQuestionAnswering")
    assert model.base_model is model
    assert head_names(model) == ["qa_outputs"]
    assert set(backbone_parts(model)) == {model.shared, model.encoder, model.decoder}
