"""QLoRA: refused where it cannot work, counted without weights, and with the package the same in float32."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from pipeline.strategies import qlora
from pipeline.strategies.base import trained_keys
from pipeline.strategies.lora import Lora
from pipeline.strategies.qlora import QLora
from tests.models import families


def test_what_is_missing_is_said_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qlora, "find_spec", lambda name: None)
    monkeypatch.setattr(qlora, "_DRIVERS", ("/dev/none",))
    with pytest.raises(BadInput) as raised:
        load(compose(["strategy=qlora", "model=smollm2"]))
    first, second = raised.value.problems
    assert "bitsandbytes" in first.what and "pip install 'hydratune[qlora]'" in first.allowed
    assert "needs a GPU" in second.what


def test_a_cpu_that_is_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QLora, "check", lambda self: None)
    with pytest.raises(BadInput) as raised:
        load(compose(["strategy=qlora", "model=smollm2", "hardware=cpu"]))
    assert [problem.where for problem in raised.value.problems] == ["hardware.accelerator"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_torch_without_a_gpu_is_refused() -> None:
    with pytest.raises(BadInput, match="has no GPU here"):
        QLora().adapt(families.classifier("bert"))


def test_it_is_counted_as_lora_is() -> None:
    counted: Any = QLora(r=4).adapt(families.classifier("llama").to("meta"))  # type: ignore[arg-type]
    plain: Any = Lora(modules="all-linear", r=4).adapt(families.classifier("llama"))
    assert counted.get_nb_trainable_parameters() == plain.get_nb_trainable_parameters()


def test_transposed_weights_are_not_quantised() -> None:
    with pytest.raises(BadInput, match="the weights of GPT2ForSequenceClassification are transposed"):
        QLora().adapt(families.classifier("gpt2").to("meta"))  # type: ignore[arg-type]


def test_quantised_weights_are_not_decomposed() -> None:
    with pytest.raises(ValueError, match="only default is there"):
        QLora(init="pissa")


@pytest.mark.parametrize(("bits", "error"), [(4, 1e-5), (8, 3e-2)])
def test_training_and_what_is_saved(bits: Any, error: float, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    strategy = QLora(bits=bits, r=4)
    original = families.classifier("llama", hidden_size=64, intermediate_size=128)
    inputs = families.batch()
    model: Any = strategy.on(torch.device("cpu"), copy.deepcopy(original))
    assert {weight.dtype for weight in model.parameters()} == {
        torch.float32,
        torch.uint8 if bits == 4 else torch.int8,
    }
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    buffers = {name for name, _ in model.named_buffers()}
    assert trained_keys(model) - buffers == trained
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model, 0.0), lr=1e-2)
    for _ in range(3):
        model(**inputs, labels=torch.tensor([0, 1, 0, 1])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    quantised = model(**inputs).logits
    plain: Any = strategy.trained(model).eval()
    expected = plain(**inputs).logits
    torch.testing.assert_close(expected, quantised, atol=error, rtol=0.0)
    merged: Any = strategy.merge(plain)
    assert type(merged) is type(original)
    assert {weight.dtype for weight in merged.parameters()} == {torch.float32}
    torch.testing.assert_close(merged(**inputs).logits, expected, atol=1e-5, rtol=1e-4)
