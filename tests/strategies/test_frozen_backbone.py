"""Only the head is trained, on features that do not change."""

import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.strategies.base import trained_keys
from pipeline.strategies.frozen_backbone import FrozenBackbone
from tests.models import families
from tests.models.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
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


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_those_of_eval_mode_while_the_head_trains(family: str) -> None:
    model = FrozenBackbone().adapt(families.classifier(family))
    inputs = families.batch()
    expected = model.base_model(**inputs).last_hidden_state
    FrozenBackbone().train_mode(model)
    assert torch.equal(model.base_model(**inputs).last_hidden_state, expected)
    heads = [model.get_submodule(name) for name in FAMILIES[family].heads]
    assert all(head.training for head in heads)


def test_a_model_without_a_head_is_refused() -> None:
    model = transformers.BertModel(families.config("bert"))
    with pytest.raises(BadInput, match="BertModel has no head"):
        FrozenBackbone().adapt(model)
