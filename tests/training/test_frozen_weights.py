"""Frozen matrices in 16 bits compute what autocast would have, to the bit, and are float32 again afterwards."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline import train
from pipeline.strategies.frozen_backbone import FrozenBackbone
from pipeline.strategies.full import Full
from pipeline.strategies.lora import Lora
from pipeline.training import module as module_file
from pipeline.training.frozen_weights import Lowered, frozen_matrices
from tests.conftest import only_run
from tests.models import families
from tests.outcomes import code_of


def step(model: Any) -> list[torch.Tensor]:
    """Logits and gradients under autocast, without dropout."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        output = model.eval()(**families.batch(), labels=torch.tensor([0, 1, 1, 0]))
    output.loss.backward()
    return [output.logits.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5"])
@pytest.mark.parametrize("strategy", [FrozenBackbone(), Lora(modules="all-linear", r=2)])
def test_not_a_bit_changes(family: str, strategy: Any):
    model = strategy.adapt(families.classifier(family))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    before, values = step(model), {name: w.clone() for name, w in model.state_dict().items()}
    matrices = frozen_matrices(model)
    lowered = Lowered(model, torch.bfloat16)
    assert matrices and all(weight.dtype == torch.bfloat16 for weight in matrices)
    assert all(weight.dtype == torch.float32 for weight in model.parameters() if weight.requires_grad)
    for one, other in zip(before, step(model), strict=True):
        assert torch.equal(one, other)
    lowered.restore()
    for name, weight in model.state_dict().items():
        assert weight.dtype == values[name].dtype and torch.equal(weight, values[name])


def test_what_is_trained_or_shared_with_an_embedding_stays():
    assert frozen_matrices(Full().adapt(families.classifier("bert"))) == []
    tied = families.random_model("llama", "AutoModelForCausalLM", tie_word_embeddings=True)
    words = tied.requires_grad_(False).get_input_embeddings().weight
    assert tied.lm_head.weight is words
    assert all(weight is not words for weight in frozen_matrices(tied))


def test_a_run_leaves_the_same_files(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    keys = ["strategy=lora", "strategy.modules=all-linear", "hardware.precision=bf16", "trainer.max_steps=4"]
    saved: list[dict[str, torch.Tensor]] = []
    used: list[torch.dtype] = []
    monkeypatch.setattr(
        module_file, "Lowered", lambda model, dtype: used.append(dtype) or Lowered(model, dtype)
    )
    for folder in (tmp_path / "lowered", tmp_path / "plain"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert code_of(train.main, *small, *keys) == 0, capsys.readouterr().err
        saved.append(load_file(next((only_run(folder) / "model").glob("*.safetensors"))))
        monkeypatch.setattr(module_file, "AUTOCAST", {})
    assert used == [torch.bfloat16] * 3  # fit, validate and test of the first run
    assert saved[0].keys() == saved[1].keys()
    for name, weight in saved[0].items():
        assert weight.dtype == torch.float32 and torch.equal(weight, saved[1][name]), name
