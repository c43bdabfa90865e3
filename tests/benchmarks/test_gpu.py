"""The benchmark of training steps: its arithmetic by hand, and both sides on tiny models on whatever is there."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from benchmarks.gpu import arithmetic
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.cases import LLAMA_1B, LLAMA_8B, TINY, Shape
from benchmarks.gpu.measuring import TOLERANCE


def made(shape: Shape):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(shape.config(128))


@pytest.mark.parametrize("shape", [LLAMA_1B, LLAMA_8B, TINY])
def test_weights_are_those_of_the_model(shape: Shape):
    model = made(shape)
    assert arithmetic.parameters(shape) == sum(weight.numel() for weight in model.parameters())
    lora = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    assert arithmetic.adapter_weights(shape, 8) == lora.get_nb_trainable_parameters()[0]


def test_flops_by_hand():
    # Queries and outputs, keys and values, three matrices of the feed-forward layer, the vocabulary.
    weights = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 4096 * 128256
    adapters = 32 * 8 * (2 * 8192 + 2 * 5120 + 3 * 18432)
    attention = 12 * 32 * 4096 * 500
    assert arithmetic.flops_per_token(LLAMA_8B, "full", 500, 0) == 6 * weights + attention
    assert arithmetic.flops_per_token(LLAMA_8B, "lora", 500, 8) == 4 * weights + 6 * adapters + attention


def test_peaks_are_of_cards_by_name():
    assert arithmetic.datasheet("NVIDIA H100 80GB HBM3") == arithmetic.datasheet("NVIDIA H200") == 989e12
    assert arithmetic.datasheet("another card") is None


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    main([])
    assert "No NVIDIA GPU" in capsys.readouterr().out


def test_a_case_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--cases", "1B full,3B lora"])
    assert ended.value.code == 2
    assert "--cases: no 3B lora; there are 1B full, " in capsys.readouterr().err


def test_both_sides_learn_the_same_and_one_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    output = tmp_path / "gpu.json"
    main(["--quick", "--steps", "2", "--rounds", "1", "--output", str(output)])
    full, lora = json.loads(output.read_text())["cases"]
    for case in (full, lora):
        ours, theirs = case["runs"]
        assert ours["steps"] == theirs["steps"] == 2 and len(ours["losses"]) == 3
        assert case["loss_difference"] < TOLERANCE
    first, *_, last = full["runs"][0]["losses"]
    assert last < 0.99 * first

    def fails(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")

    monkeypatch.setattr("benchmarks.gpu.this_program.train", fails)
    main(["--quick", "--steps", "1", "--rounds", "1", "--cases", "tiny full", "--output", str(output)])
    assert "OutOfMemoryError: CUDA out of memory |" in output.with_suffix(".md").read_text()
