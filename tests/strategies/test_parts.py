"""Heads and Linear modules are found in every family without asking which it is."""

import pytest
import transformers

from pipeline.strategies.parts import head_names, linear_modules
from tests.models import families
from tests.models.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_heads(family: str) -> None:
    assert head_names(families.classifier(family)) == FAMILIES[family].heads


@pytest.mark.parametrize("family", FAMILIES)
def test_linear_modules_are_those_of_the_backbone(family: str) -> None:
    model = families.classifier(family)
    names = linear_modules(model)
    assert names and all(name.startswith(f"{model.base_model_prefix}.") for name in names)


def test_a_bare_backbone_has_no_head() -> None:
    assert head_names(transformers.BertModel(families.config("bert"))) == []


def test_a_tied_output_layer_is_no_head() -> None:
    tied = transformers.GPT2LMHeadModel(families.config("gpt2"))
    assert tied.lm_head.weight is tied.transformer.wte.weight
    assert head_names(tied) == []
    untied = transformers.GPT2LMHeadModel(families.config("gpt2", tie_word_embeddings=False))
    assert head_names(untied) == ["lm_head"]
