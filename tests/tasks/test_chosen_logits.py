"""Logits where they are wanted are those that the model computes everywhere."""

from typing import Any

import pytest
import torch
import transformers

from pipeline.strategies.lora import Lora
from pipeline.tasks.chosen_logits import outputs_at
from tests.models import families
from tests.models.families import FAMILIES

MASKED = [
    name
    for name in FAMILIES
    if type(families.config(name)) in transformers.AutoModelForMaskedLM._model_mapping
    and FAMILIES[name].kind == "encoder"
]
CAUSAL = [name for name in FAMILIES if families.is_decoder(name)]


def assert_same_logits_and_gradients(model: Any, batch: dict[str, torch.Tensor]) -> None:
    places = torch.rand(batch["input_ids"].shape) < 0.4
    whole = model(**batch)
    expected = whole.get("prediction_logits", whole.get("logits"))[places]
    expected.square().sum().backward()
    gradients = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    _, found = outputs_at(model, batch, places)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    again = [weight.grad for weight in model.parameters() if weight.grad is not None]
    for one, other in zip(gradients, again, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    # Nothing is left behind.
    torch.testing.assert_close(model(**batch)[0], whole[0])


@pytest.mark.parametrize(
    ("family", "auto"),
    [(name, "AutoModelForMaskedLM") for name in MASKED]
    + [(name, "AutoModelForCausalLM") for name in CAUSAL]
    + [("bert", "AutoModelForPreTraining")],
)
def test_every_family(family: str, auto: str) -> None:
    assert_same_logits_and_gradients(families.random_model(family, auto), families.batch())


def test_through_an_adapter() -> None:
    model = families.random_model("bert", "AutoModelForMaskedLM")
    assert_same_logits_and_gradients(Lora(modules=["query"]).adapt(model).eval(), families.batch())


def test_a_model_whose_last_layer_is_no_module() -> None:
    config = transformers.MobileBertConfig(
        vocab_size=25, hidden_size=32, embedding_size=16, intra_bottleneck_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32,
    )  # fmt: skip
    assert_same_logits_and_gradients(
        transformers.AutoModelForMaskedLM.from_config(config).eval(), families.batch()
    )


def test_nowhere() -> None:
    model = families.random_model("llama", "AutoModelForCausalLM")
    batch = families.batch()
    _, found = outputs_at(model, batch, torch.zeros_like(batch["input_ids"], dtype=torch.bool))
    assert found.shape == (0, len(families.VOCABULARY))
