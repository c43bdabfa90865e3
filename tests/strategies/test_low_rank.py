"""A module and its update in one piece give what PEFT's modules give, forward and backward."""

import copy
from typing import Any

import peft
import pytest
import torch
import transformers
from peft.tuners.lora.layer import Linear as PeftLinear
from torch import nn
from torch.utils.checkpoint import checkpoint

from pipeline.strategies.lora import Lora
from pipeline.strategies.low_rank import LowRankLinear, fuse
from pipeline.training.frozen_weights import Lowered
from pipeline.training.quick_dropout import QuickDropout
from tests.models import families


def adapted(family: str = "bert", **options: Any) -> Any:
    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=4,
        lora_alpha=12,
        target_modules="all-linear",
        task_type="SEQ_CLS",
        init_lora_weights=False,
        **options,
    )
    return peft.get_peft_model(families.classifier(family), config).train()


def fused_modules(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, LowRankLinear)]


def loss_and_gradients(model: Any, quick: bool = False) -> tuple[float, dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    model.zero_grad()
    batch, labels = families.batch(), torch.tensor([0, 1, 0, 1])
    if quick:
        with QuickDropout():
            loss = model(**batch, labels=labels).loss
    else:
        loss = model(**batch, labels=labels).loss
    loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(gradient is not None for gradient in found.values())
    return loss.item(), found


@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("quick", [False, True])
def test_loss_and_gradients_are_those_of_peft(family: str, dropout: float, quick: bool) -> None:
    reference = adapted(family, lora_dropout=dropout)
    fused = fuse(copy.deepcopy(reference))
    assert fused_modules(fused)
    theirs, expected = loss_and_gradients(reference, quick)
    ours, found = loss_and_gradients(fused, quick)
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert (gradient - expected[name]).norm() <= 1e-4 * expected[name].norm() + 1e-7, name


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("DebertaConfig", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
        ("LongformerConfig", {"attention_window": 4, "max_position_embeddings": 66}),
    ],
)
def test_what_comes_out_may_be_changed_in_place(kind: str, options: dict[str, Any]) -> None:
    """These two divide what their projections give by a number where it lies."""
    sizes = {**families.BERT, "vocab_size": len(families.VOCABULARY), "pad_token_id": families.PAD}
    config = getattr(transformers, kind)(**sizes, **options)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    found = {}
    for fused in (False, True):
        torch.manual_seed(0)
        adapted = Lora(modules="all-linear", fused=fused).adapt(copy.deepcopy(model)).eval()
        assert bool(fused_modules(adapted)) is fused
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.1)
        adapted(**families.batch()).logits.square().sum().backward()
        found[fused] = {name: weight.grad for name, weight in adapted.named_parameters()}
    for name, expected in found[False].items():
        # Longformer's projections for global attention are not called without it.
        if expected is not None:
            torch.testing.assert_close(found[True][name], expected, atol=1e-5, rtol=1e-4, msg=name)


def test_under_autocast_the_numbers_are_those_of_peft_with_frozen_weights_in_16_bits() -> None:
    """Frozen matrices wait in float32 while a run computes in bf16, so inputs and weights differ in precision."""
    reference = adapted(lora_dropout=0.1)
    fused = fuse(copy.deepcopy(reference))
    lowered = Lowered(fused, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        theirs, expected = loss_and_gradients(reference)
        ours, found = loss_and_gradients(fused)
    lowered.restore()
    assert ours == pytest.approx(theirs, abs=2e-2)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    together, peft_together = (
        torch.cat([gradients[name].flatten() for name in sorted(found)]) for gradients in (found, expected)
    )
    assert (together - peft_together).norm() < 0.05 * peft_together.norm()


def test_activations_computed_again_give_the_same_gradients() -> None:
    reference = adapted(lora_dropout=0.3)
    module = fuse(reference).get_submodule(fused_modules(reference)[0])
    x = torch.randn(3, 5, module.in_features, requires_grad=True)

    def gradients(again: bool) -> list[torch.Tensor]:
        torch.manual_seed(2)
        out = checkpoint(module, x, use_reentrant=False) if again else module(x)
        return list(torch.autograd.grad(out.square().sum(), [x, module.lora_A["default"].weight]))

    for once, twice in zip(gradients(False), gradients(True), strict=True):
        assert torch.equal(once, twice)


def test_merging_and_saving_are_those_of_peft(tmp_path: Any) -> None:
    reference = adapted(lora_dropout=0.1).eval()
    fused = fuse(copy.deepcopy(reference))
    fused.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(families.classifier("bert"), tmp_path).eval()
    with torch.inference_mode():
        expected = reference(**families.batch()).logits
        torch.testing.assert_close(fused(**families.batch()).logits, expected)
        with fused.disable_adapter():
            assert not torch.allclose(fused(**families.batch()).logits, expected)
        assert set(again.state_dict()) == set(reference.state_dict())
        torch.testing.assert_close(
            fused.merge_and_unload()(**families.batch()).logits, expected, rtol=1e-4, atol=1e-5
        )


def test_what_is_no_plain_linear_module_is_left_to_peft() -> None:
    assert not fused_modules(fuse(adapted(use_dora=True)))
    # GPT-2's weights are transposed.
    assert not fused_modules(fuse(adapted("gpt2", fan_in_fan_out=True)))


def test_a_module_whose_own_weight_is_trained_is_left_to_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted()
    module = fuse(model).get_submodule(fused_modules(model)[0])
    asked = []
    given = PeftLinear.forward
    monkeypatch.setattr(PeftLinear, "forward", lambda self, x: asked.append(1) or given(self, x))
    module(torch.randn(2, module.in_features))
    assert not asked
    module.base_layer.weight.requires_grad_(True)
    module(torch.randn(2, module.in_features)).sum().backward()
    assert asked and module.base_layer.weight.grad is not None
