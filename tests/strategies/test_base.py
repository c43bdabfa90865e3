"""Optimizer groups and what a checkpoint has to hold."""

import pydoc
from pathlib import Path

import torch
import yaml
from torch import nn

from pipeline.strategies.base import Strategy, trained_keys
from pipeline.strategies.full import Full
from tests.models import families


def test_biases_and_norms_are_not_decayed() -> None:
    model = families.classifier("bert")
    groups = Full().parameter_groups(model, weight_decay=0.1)
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        plain = name.endswith("bias") or "LayerNorm" in name
        assert decay[id(parameter)] == (0.0 if plain else 0.1), name


def test_a_group_without_parameters_is_left_out() -> None:
    model = nn.Linear(3, 2, bias=False)
    assert [group["weight_decay"] for group in Full(head_rate=1).parameter_groups(model, 0.1)] == [0.1]


def test_tied_and_running_values_are_part_of_a_checkpoint() -> None:
    model = nn.ModuleDict({"a": nn.Linear(3, 3, bias=False), "b": nn.Linear(3, 3), "norm": nn.BatchNorm1d(3)})
    model["b"].weight = model["a"].weight
    model["b"].bias.requires_grad_(False)
    expected = set(model.state_dict()) - {"b.bias"}
    assert {"a.weight", "b.weight", "norm.running_mean"} <= expected
    assert trained_keys(model) == expected


def test_what_is_trained_is_what_changes() -> None:
    model = families.classifier("bert")
    model.requires_grad_(False)
    model.classifier.requires_grad_(True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(**families.batch(), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0).step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == trained_keys(model) == {"classifier.weight", "classifier.bias"}


def test_every_shipped_strategy_states_the_defaults_of_its_class() -> None:
    files = sorted((Path(__file__).parents[2] / "conf" / "strategy").rglob("*.yaml"))
    names = "adapters bias_only frozen_backbone full ia3 last_layers lora norm_only prefix_tuning prompt_tuning qlora"
    assert [file.stem for file in files] == names.split()
    for file in files:
        assert file.read_text().startswith("# "), "the first line describes the option"
        values = yaml.safe_load(file.read_text())
        strategy = pydoc.locate(values.pop("_target_"))
        assert isinstance(strategy, type) and issubclass(strategy, Strategy)
        # What suits the model comes from it.
        if values["learning_rate"] == "${oc.select:model.learning_rate,5e-5}":
            del values["learning_rate"]
        if values.get("modules") == "${model.lora_modules}":
            del values["modules"]
            assert strategy(modules="all-linear") == strategy(modules="all-linear", **values)
        else:
            assert strategy() == strategy(**values)
