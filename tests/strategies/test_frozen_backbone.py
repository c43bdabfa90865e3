"""Only the head is trained, on features that do not change."""

from typing import Any

import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models.heads import AUTO_CLASSES
from pipeline.strategies.base import trained_keys
from pipeline.strategies.frozen_backbone import FrozenBackbone
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_only_the_head_is_trained(family: str) -> None:
    model = FrozenBackbone().adapt(families.classifier(family))
    trained = {name.split(".")[0] for name in trained_keys(model)}
    assert trained == set(FAMILIES[family].heads)
    backbone = model.base_model
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    FrozenBackbone().train_mode(model)
    optimizer = torch.optim.AdamW(FrozenBackbone().parameter_groups(model, 0.1), lr=0.1)
    model(**families.batch(), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_features_are_those_of_eval_mode_while_the_head_trains(family: str) -> None:
    model = FrozenBackbone().adapt(families.classifier(family))
    inputs = families.batch()
    if FAMILIES[family].kind == "encoder_decoder":
        inputs["decoder_input_ids"] = inputs["input_ids"]
    expected = model.base_model(**inputs).last_hidden_state
    FrozenBackbone().train_mode(model)
    assert torch.equal(model.base_model(**inputs).last_hidden_state, expected)
    heads = [model.get_submodule(name) for name in FAMILIES[family].heads]
    assert all(head.training for head in heads)


def test_a_model_without_a_head_is_refused() -> None:
    model = transformers.BertModel(families.config("bert"))
    with pytest.raises(BadInput, match="BertModel has no head"):
        FrozenBackbone().adapt(model)


def test_a_head_beside_the_parts_of_its_backbone_is_trained_alone() -> None:
    # T5 for question answering has encoder and decoder beside its head, in no module of their own.
    model: Any = FrozenBackbone().adapt(families.random_model("t5", "AutoModelForQuestionAnswering"))
    assert trained_keys(model) == {"qa_outputs.weight", "qa_outputs.bias"}
    FrozenBackbone().train_mode(model)
    assert model.qa_outputs.training and not model.encoder.training and not model.decoder.training


@pytest.mark.parametrize(
    ("family", "head"), [("gpt2", "causal_lm"), ("bert", "masked_lm"), ("flan_t5", "seq2seq_lm")]
)
def test_a_language_model_has_nothing_new_to_train(family: str, head: Any) -> None:
    with pytest.raises(BadInput, match="has no head beside its backbone"):
        FrozenBackbone().adapt(families.random_model(family, AUTO_CLASSES[head]))
    assert head not in (FrozenBackbone.heads or ())
