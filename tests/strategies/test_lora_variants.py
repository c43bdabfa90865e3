"""Variants of LoRA are PEFT's own, start as the pretrained model, and are saved such that others get the same."""

import copy
import math
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from pipeline.errors import BadInput
from pipeline.strategies.base import trained_keys
from pipeline.strategies.lora import Lora
from tests.models import families
from tests.strategies.test_lora import modules_of, train

VARIANTS: dict[str, dict[str, Any]] = {
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init": "pissa"},
    "olora": {"init": "olora"},
    "patterns": {"rank_pattern": {"query": 2}, "alpha_pattern": {"value": 32}},
    "pissa with everything": {"init": "pissa", "use_rslora": True, "rank_pattern": {"query": 2}},
}
PEFTS = {"init": "init_lora_weights"}


def bert() -> Any:
    return families.classifier("bert")


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_is_pefts_own(options: dict[str, Any]) -> None:
    config = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=4,
        lora_alpha=16,
        lora_dropout=0.05,
        target_modules=["query", "value"],
        modules_to_save=["classifier"],
        **{PEFTS.get(name, name): value for name, value in options.items()},
    )
    torch.manual_seed(3)
    reference = peft.get_peft_model(bert(), config)
    torch.manual_seed(3)
    ours: Any = Lora(modules=["query", "value"], r=4, **options).adapt(bert())
    assert ours.get_nb_trainable_parameters() == reference.get_nb_trainable_parameters()
    theirs, inputs = dict(reference.named_parameters()), families.batch()
    assert {n: p.shape for n, p in ours.named_parameters()} == {n: p.shape for n, p in theirs.items()}
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            if "lora_B" in name or "magnitude" in name:
                weight.add_(0.1)
                theirs[name].add_(0.1)
    torch.testing.assert_close(ours.eval()(**inputs).logits, reference.eval()(**inputs).logits)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_it_starts_as_the_model_and_is_saved_for_the_original(
    options: dict[str, Any], tmp_path: Path
) -> None:
    strategy = Lora(modules=["query", "value"], r=4, **options)
    original, inputs = bert(), families.batch()
    model = strategy.adapt(copy.deepcopy(original)).eval()
    torch.testing.assert_close(model(**inputs).logits, original(**inputs).logits, atol=1e-6, rtol=1e-5)
    train(model, strategy)
    logits = model(**inputs).logits
    assert (logits - original(**inputs).logits).abs().max() > 1e-3
    strategy.save(model, str(tmp_path))
    loaded = peft.PeftModel.from_pretrained(copy.deepcopy(original), str(tmp_path)).eval()
    torch.testing.assert_close(loaded(**inputs).logits, logits, atol=1e-5, rtol=1e-5)
    merged: Any = strategy.merge(model)
    torch.testing.assert_close(merged(**inputs).logits, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "options"),
    [("bert", {"init": "pissa"}), ("gpt2", {"init": "pissa"}), ("bert", {"init": "olora"}),
     ("bert", {"use_dora": True})],
)  # fmt: skip
def test_what_a_checkpoint_holds_is_enough_to_go_on(family: str, options: dict[str, Any]) -> None:
    strategy = Lora(modules=modules_of(family), r=4, **options)
    model = strategy.adapt(families.classifier(family))
    train(model, strategy)
    held = {name: value for name, value in model.state_dict().items() if name in trained_keys(model)}
    assert len(held) < len(model.state_dict())
    again = strategy.adapt(families.classifier(family))
    assert trained_keys(again) == held.keys()
    again.load_state_dict(held, strict=False)
    inputs = families.batch()
    assert torch.equal(again.eval()(**inputs).logits, model(**inputs).logits)


def test_a_decomposed_start_is_counted_without_weights() -> None:
    strategy = Lora(modules=["query"], r=4, init="pissa")
    meta: Any = strategy.adapt(bert().to("meta"))
    assert meta.get_nb_trainable_parameters() == strategy.adapt(bert()).get_nb_trainable_parameters()  # type: ignore[operator]


def test_transposed_weights_have_no_olora() -> None:
    with pytest.raises(BadInput, match="GPT2ForSequenceClassification are transposed"):
        Lora(modules=["c_attn"], init="olora").adapt(families.classifier("gpt2"))


@pytest.mark.parametrize("init", ["pissa", "olora"])
@pytest.mark.parametrize("on_meta", [False, True])
def test_a_weight_has_no_more_directions_than_its_shorter_side(init: Any, on_meta: bool) -> None:
    def problems(family: str = "bert", **options: Any) -> list[tuple[str, str, str]]:
        model = families.classifier(family)
        with pytest.raises(BadInput) as raised:
            Lora(init=init, **options).adapt(model.to("meta") if on_meta else model)  # type: ignore[arg-type]
        return [(found.where, found.what, found.allowed) for found in raised.value.problems]

    # Keys and values of a Llama with one head of them are 16 wide.
    ((where, what, allowed),) = problems("llama", modules=["q_proj", "v_proj"], r=20)
    assert (where, allowed) == ("strategy.r", "1 to 16")
    assert what == (
        f"{init} takes 20 directions of each weight, and that of model.layers.0.self_attn.v_proj has 16"
    )
    ((where, what, allowed),) = problems(modules=["query", "value"], r=4, rank_pattern={"value": 33})
    assert (where, allowed) == ("strategy.rank_pattern", "1 to 32") and "takes 33 directions" in what
    assert len(problems(modules=["query", "value"], r=40, rank_pattern={"value": 33})) == 2
    if init == "pissa":
        ((where, what, _),) = problems("gpt2", modules=["c_attn"], r=33)
        assert where == "strategy.r" and "c_attn has 32" in what
    Lora(init=init, modules=["q_proj"], r=32).adapt(families.classifier("llama"))


def test_dora_is_not_decomposed() -> None:
    with pytest.raises(ValueError, match="use_dora: true does not go together with init: pissa"):
        Lora(modules=["query"], use_dora=True, init="pissa")


def test_b_learns_faster() -> None:
    strategy = Lora(modules=["query"], r=2, loraplus_lr_ratio=16, head_rate=1)
    model = strategy.adapt(bert())
    groups = strategy.parameter_groups(model, 0.1)
    scale = {id(weight): group.get("factor", 1) for group in groups for weight in group["params"]}
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(scale) == len(trained)
    assert {name for name in trained if scale[id(trained[name])] == 16} == {
        n for n in trained if "lora_B" in n
    }
    plain = Lora(modules=["query"], r=2, head_rate=1).parameter_groups(model, 0.1)
    assert not any("factor" in group for group in plain)


def test_modules_by_regular_expression() -> None:
    last = list(
        Lora(modules=r".*layer\.1\..*\.(query|key)").adapt(bert()).peft_config["default"].target_modules
    )  # type: ignore[union-attr,index]
    start = "bert.encoder.layer.1.attention.self"
    assert sorted(last) == [f"{start}.key", f"{start}.query"]


def test_ranks_by_name_and_regular_expression() -> None:
    strategy = Lora(modules=["query", "value"], r=4, rank_pattern={r".*layer\.0\..*": 1, "value": 2})
    model = strategy.adapt(bert())
    ranks = {name: len(w) for name, w in model.named_parameters() if "lora_A" in name}
    expected = {"0.query": 1, "0.value": 1, "1.query": 4, "1.value": 2}
    for place, rank in expected.items():
        layer, _, part = place.partition(".")
        (found,) = [ranks[name] for name in ranks if f"layer.{layer}." in name and f".{part}." in name]
        assert found == rank, place
    wide: Any = Lora(modules=["query"], r=4, use_rslora=True).adapt(bert())
    layer = wide.base_model.model.bert.encoder.layer[0].attention.self.query
    assert layer.scaling["default"] == pytest.approx(16 / math.sqrt(4))


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ({"modules": ["("]}, "strategy.modules", "is no regular expression"),
        ({"modules": [r".*\.qeury"]}, "strategy.modules", "is no Linear module"),
        ({"modules": ["query"], "rank_pattern": {"value": 2}}, "strategy.rank_pattern", "'value' is no"),
        ({"modules": ["query"], "alpha_pattern": {"x": 2.0}}, "strategy.alpha_pattern", "'x' is no"),
    ],
)
def test_names_of_nothing_are_refused(options: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(BadInput) as raised:
        Lora(**options).adapt(bert())
    (problem,) = raised.value.problems
    assert problem.where == where and what in problem.what
