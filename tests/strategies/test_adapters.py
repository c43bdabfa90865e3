"""Bottleneck adapters: where they are, what they compute, and that they load without this program."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from pipeline.errors import BadInput
from pipeline.strategies.adapters import Adapters, last_of_layers
from pipeline.strategies.base import trained_keys
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES
from tests.strategies.test_lora import train

# What ends the feed-forward part of a layer, by the names in transformers.
ENDS = {
    "bert": "output.dense", "roberta": "output.dense", "distilbert": "ffn.lin2", "deberta": "output.dense",
    "modernbert": "mlp.Wo", "xlnet": "ff.layer_2", "electra": "output.dense", "gpt2": "mlp.c_proj",
    "llama": "mlp.down_proj", "qwen3": "mlp.down_proj", "mistral": "mlp.down_proj", "gemma3": "mlp.down_proj",
    "t5": "DenseReluDense.wo", "flan_t5": "DenseReluDense.wo", "bart": "fc2",
}  # fmt: skip


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_one_behind_the_feed_forward_part_of_every_layer(family: str) -> None:
    model = families.classifier(family)
    names = last_of_layers(model)
    assert len(names) == (4 if FAMILIES[family].kind == "encoder_decoder" else 2)
    assert all(name.endswith(f".{ENDS[family]}") and ".attention." not in name for name in names)
    inputs, keys = families.batch(), model.state_dict().keys()
    before = model(**inputs).logits
    strategy = Adapters(reduction_factor=4)
    adapted: Any = strategy.adapt(model)
    torch.testing.assert_close(adapted(**inputs).logits, before)  # They start as nothing.
    new = adapted.state_dict().keys() - keys
    assert len(new) == 4 * len(names)
    heads = tuple(f"{name}." for name in FAMILIES[family].heads)
    buffers = {name for name, _ in adapted.named_buffers()}
    assert {n for n in trained_keys(adapted) - buffers if not n.startswith(heads)} == new
    train(adapted, strategy)  # type: ignore[arg-type]
    assert (adapted(**inputs).logits - before).abs().max() > 1e-3


def test_what_one_computes() -> None:
    model: Any = Adapters(reduction_factor=4, activation="silu").adapt(families.classifier("gpt2"))
    module = model.transformer.h[0].mlp.c_proj
    down, up = module.bottleneck.down, module.bottleneck.up
    assert down.weight.shape == (8, 32) and up.weight.shape == (32, 8)
    nn.init.normal_(up.weight)
    hidden = torch.randn(2, 5, module.weight.shape[0])
    plain = hidden @ module.weight + module.bias
    inside = plain @ down.weight.T + down.bias
    expected = plain + (inside * torch.sigmoid(inside)) @ up.weight.T + up.bias
    torch.testing.assert_close(module(hidden), expected)


def test_houlsbys_two_a_layer() -> None:
    model = Adapters(modules=["output.dense"], reduction_factor=8).adapt(families.classifier("bert"))
    places = [name for name, module in model.named_modules() if name.endswith(".bottleneck")]
    assert len(places) == 4 and sum(".attention." in name for name in places) == 2


def test_the_meta_device_counts_the_same() -> None:
    def count(model: nn.Module) -> int:
        return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)

    meta = Adapters().adapt(families.classifier("t5").to("meta"))  # type: ignore[arg-type]
    assert count(meta) == count(Adapters().adapt(families.classifier("t5"))) > 0
    assert all(weight.is_meta for weight in meta.parameters())


def test_they_are_put_on_another_model_by_the_file_beside_them(tmp_path: Path) -> None:
    strategy = Adapters(reduction_factor=4, activation="gelu")
    model: Any = strategy.adapt(families.classifier("bert"))
    train(model, strategy)  # type: ignore[arg-type]
    inputs = families.batch()
    expected = model(**inputs).logits
    files = strategy.save(model, str(tmp_path / "adapter"))
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == sorted(files)
    plain: Any = strategy.merge(model)
    assert plain.state_dict().keys() == families.classifier("bert").state_dict().keys()
    assert (plain(**inputs).logits - expected).abs().max() > 1e-3
    plain.save_pretrained(tmp_path / "base")
    base = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "base", dtype=torch.float32
    )
    torch.testing.assert_close(strategy.load(base, str(tmp_path / "adapter"))(**inputs).logits, expected)
    by_file = runpy.run_path(str(tmp_path / "adapter" / "bottleneck.py"))["load"]
    again = by_file(strategy.merge(base), str(tmp_path / "adapter"))
    torch.testing.assert_close(again(**inputs).logits, expected)


def test_adapters_of_another_size_do_not_load(tmp_path: Path) -> None:
    strategy = Adapters(reduction_factor=4)
    strategy.save(strategy.adapt(families.classifier("bert")), str(tmp_path))
    with pytest.raises(RuntimeError, match="size mismatch"):
        strategy.load(families.classifier("bert", hidden_size=64), str(tmp_path))


def test_modules_that_are_none_are_named() -> None:
    with pytest.raises(BadInput, match="'outptu' is no Linear module of BertForSequenceClassification"):
        Adapters(modules=["outptu"]).adapt(families.classifier("bert"))


EXPERTS: dict[str, Any] = {**families.DECODER, "vocab_size": 24, "num_experts_per_tok": 1, "pad_token_id": 0}


def test_a_gate_with_one_output_does_not_end_a_layer() -> None:
    sizes = {"num_experts": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
    with torch.device("meta"):
        config = transformers.Qwen2MoeConfig(**EXPERTS, **sizes)
        model = transformers.AutoModelForCausalLM.from_config(config)
    assert any(name.endswith("shared_expert_gate") for name, _ in model.named_modules())
    assert last_of_layers(model) == [f"model.layers.{n}.mlp.shared_expert.down_proj" for n in (0, 1)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("MixtralConfig", {"num_local_experts": 2}),
        ("OlmoeConfig", {"num_experts": 2}),
        ("GptOssConfig", {"num_local_experts": 2, "head_dim": 16}),
    ],
)
def test_experts_that_are_no_linear_modules_are_no_place(kind: str, options: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            getattr(transformers, kind)(**EXPERTS, **options)
        )
    with pytest.raises(
        BadInput, match=r"in model\.layers\.0 of .* no Linear module follows the attention"
    ) as raised:
        Adapters().adapt(model)
    assert raised.value.problems[0].where == "strategy.modules"
    Adapters(modules=["o_proj"]).adapt(model)
