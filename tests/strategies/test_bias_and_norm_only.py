"""Biases alone, or norms alone, are trained beside the head, on every family that has them."""

from typing import Any

import peft
import pytest
import torch
from torch import nn

from pipeline.errors import BadInput
from pipeline.strategies.base import Strategy, trained_keys
from pipeline.strategies.bias_only import BiasOnly
from pipeline.strategies.norm_only import NormOnly
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES

# Whose linear modules and norms have no biases.
WITHOUT_BIASES = ["modernbert", "llama", "qwen3", "mistral", "gemma3", "t5", "flan_t5"]


def of_backbone(family: str, model: Any) -> set[str]:
    heads = tuple(f"{name}." for name in FAMILIES[family].heads)
    return {name for name in trained_keys(model) if not name.startswith(heads)}


@pytest.mark.parametrize("family", [name for name in CLASSIFIERS if name not in WITHOUT_BIASES])
def test_biases_and_the_head(family: str) -> None:
    model = families.classifier(family)
    inside = {name for name, _ in model.base_model.named_parameters(prefix=model.base_model_prefix)}
    expected = {name for name in inside if name.rpartition(".")[2].endswith("bias")}
    adapted = BiasOnly().adapt(model)
    buffers = {name for name, _ in adapted.named_buffers()}
    assert expected and of_backbone(family, adapted) - buffers == expected
    heads = {name for name, _ in model.named_parameters() if name not in inside}
    assert heads and heads <= trained_keys(adapted)


@pytest.mark.parametrize("family", WITHOUT_BIASES)
def test_a_backbone_without_biases_is_refused(family: str) -> None:
    model = families.classifier(family)
    with pytest.raises(BadInput, match=f"the backbone of {type(model).__name__} has no biases"):
        BiasOnly().adapt(model.to("meta"))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_norms_and_the_head(family: str) -> None:
    model = families.classifier(family)
    norms = {
        name
        for name, module in model.base_model.named_modules(prefix=model.base_model_prefix)
        if isinstance(module, nn.LayerNorm) or type(module).__name__.endswith(("RMSNorm", "T5LayerNorm"))
    }
    reference = peft.get_peft_model(
        families.classifier(family), peft.LNTuningConfig(target_modules=sorted(norms))
    )
    adapted = NormOnly().adapt(model)
    counted = sum(
        p.numel()
        for name, p in adapted.named_parameters()
        if p.requires_grad and name.split(".")[0] not in FAMILIES[family].heads
    )
    assert counted == reference.get_nb_trainable_parameters()[0] > 0


@pytest.mark.parametrize("strategy", [BiasOnly(), NormOnly()])
def test_only_they_change(strategy: Strategy) -> None:
    model = strategy.adapt(families.classifier("bert"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model, 0.1), lr=0.1)
    model(**families.batch(), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed <= trained_keys(model) and len(changed) > 10
    assert strategy.merge(model) is model


def test_a_language_model_trains_the_biases_of_its_head_too() -> None:
    model = BiasOnly().adapt(families.random_model("bert", "AutoModelForMaskedLM"))
    assert "cls.predictions.bias" in trained_keys(model)
    assert "cls.predictions.transform.dense.weight" not in trained_keys(model)


def test_a_model_without_norms_is_refused() -> None:
    model: Any = families.classifier("bert")
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.LayerNorm):
            model.set_submodule(name, nn.Identity())
    with pytest.raises(BadInput, match="has no normalisation layers"):
        NormOnly().adapt(model)
