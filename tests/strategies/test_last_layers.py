"""The last layers and the head are trained; what lies below stays, and in eval mode."""

from typing import Any

import pytest
import torch

from pipeline.errors import BadInput
from pipeline.strategies.base import trained_keys
from pipeline.strategies.cuts import LayersBelow, OutputOf
from pipeline.strategies.last_layers import LastLayers
from tests.models import families

# Names of what is trained, by their beginnings, of models of two layers.
TRAINED = {
    ("bert", "AutoModelForSequenceClassification"): ["bert.encoder.layer.1.", "bert.pooler.", "classifier."],
    ("bert", "AutoModelForMaskedLM"): ["bert.encoder.layer.1.", "cls."],
    ("bert", "AutoModel"): ["encoder.layer.1."],
    ("deberta", "AutoModelForSequenceClassification"): ["deberta.encoder.layer.1.", "pooler.", "classifier."],
    ("modernbert", "AutoModelForSequenceClassification"): [
        "model.layers.1.",
        "model.final_norm.",
        "head.",
        "classifier.",
    ],
    ("gpt2", "AutoModelForCausalLM"): ["transformer.h.1.", "transformer.ln_f."],
    ("llama", "AutoModelForCausalLM"): ["model.layers.1.", "model.norm.", "lm_head."],
    ("t5", "AutoModelForSeq2SeqLM"): ["decoder.block.1.", "decoder.final_layer_norm."],
    ("flan_t5", "AutoModelForSeq2SeqLM"): ["decoder.block.1.", "decoder.final_layer_norm."],
    ("t5", "AutoModelForTokenClassification"): [
        "transformer.encoder.block.1.",
        "transformer.encoder.final_layer_norm.",
        "classifier.",
    ],
    ("bart", "AutoModelForSequenceClassification"): ["model.decoder.layers.1.", "classification_head."],
}


@pytest.mark.parametrize(("family", "auto"), TRAINED)
def test_what_is_trained(family: str, auto: str) -> None:
    model = LastLayers(layers=1).adapt(families.random_model(family, auto))
    found = {name for name, weight in model.named_parameters() if weight.requires_grad}
    beginnings = TRAINED[family, auto]
    assert all(name.startswith(tuple(beginnings)) for name in found), sorted(found)
    assert all(any(name.startswith(each) for name in found) for each in beginnings), sorted(found)
    # All of them, but for what is shared with embeddings (the words that BERT predicts).
    shared = {weight for name, weight in model.named_parameters() if "embed" in name}
    for name, weight in model.named_parameters():
        assert weight.requires_grad == (name.startswith(tuple(beginnings)) and weight not in shared), name


def test_what_is_frozen_is_in_eval_mode() -> None:
    model: Any = LastLayers(layers=1).adapt(families.classifier("bert"))
    LastLayers(layers=1).train_mode(model)
    below, above = model.bert.encoder.layer
    assert above.training and model.bert.pooler.training and model.classifier.training
    assert not any(module.training for part in (below, model.bert.embeddings) for module in part.modules())
    inputs = families.batch()
    assert torch.equal(
        below(model.bert.embeddings(inputs["input_ids"])), below(model.bert.embeddings(inputs["input_ids"]))
    )


def test_only_what_is_trained_changes() -> None:
    model = LastLayers(layers=1).adapt(families.classifier("gpt2"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(**families.batch(), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0).step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and changed <= trained_keys(model)


def test_where_the_frozen_part_ends() -> None:
    def cut(family: str, auto: str, layers: int = 1) -> Any:
        strategy = LastLayers(layers=layers)
        return strategy.frozen_prefix(strategy.adapt(families.random_model(family, auto)))

    assert cut("gpt2", "AutoModelForCausalLM") == LayersBelow("transformer.h", 1)
    assert cut("bart", "AutoModelForSeq2SeqLM") == OutputOf("model.encoder", "last_hidden_state", "all")
    assert cut("bart", "AutoModelForSeq2SeqLM", 2) == OutputOf("model.encoder", "last_hidden_state", "all")
    assert "all layers are trained" in cut("bert", "AutoModel", 2)


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_more_layers_than_there_are(family: str) -> None:
    with pytest.raises(BadInput) as raised:
        LastLayers(layers=3).adapt(families.classifier(family))
    (problem,) = raised.value.problems
    assert (
        problem.where == "strategy.layers" and "has 2 layers" in problem.what and problem.allowed == "1 to 2"
    )
