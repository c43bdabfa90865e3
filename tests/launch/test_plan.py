"""What the plan says, against what PyTorch and PEFT count."""

import json
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.launch.machine import Machine
from pipeline.launch.plan import memory
from tests.specs import prepared, spec_of


def test_memory_of_weights_gradients_and_moments(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4})
    )
    facts = prepared(checkpoint={"folder": str(tmp_path)}, total=1_000, trainable=100, longest=10)
    spec = spec_of(["logger=none", "trainer.batch_size=32"])
    need = memory(spec, facts, Machine("gpu", 1, "bf16", None, 1))
    assert (need.weights, need.gradients, need.optimizer) == (4_000, 400, 800)
    # Korthikanti et al. 2022, equation 1, of two layers: s b h (34 + 5 a s / h).
    assert need.activations == 2 * 10 * 32 * 8 * (34 + 5 * 4 * 10 / 8)
    assert need.total == 4_000 + 400 + 800 + need.activations
    assert memory(spec, facts, Machine("cpu", 1, "32", None, 1)).activations == 2 * need.activations
    assert memory(spec, facts, Machine("gpu", 2, "bf16", 4, 1)).activations == need.activations / 8


def test_the_plan_of_a_run(small: list[str], tmp_path: Path):
    words = [
        *small,
        "strategy=lora",
        "trainer.batch_size=32",
        "hardware.micro_batch=8",
        "trainer.max_epochs=2",
    ]
    plan = Run.plan([*words, f"paths.outputs={tmp_path}"])
    assert "192 train, 24 validation, 24 test" in plan["data"].replace(" rows", "")
    assert plan["steps"].startswith("12 = 2 epochs of 6")
    assert "1 process × 4 × 8" in plan["steps"]
    trained, total = (int(text.replace(",", "")) for text in plan["parameters"].split() if text[0].isdigit())
    assert 0 < trained < total
    assert plan["best by"] == "val/accuracy (max)"
    assert "fits" in plan["memory"]
    again = Run.plan([*words, f"paths.outputs={tmp_path}"])
    assert "(cached)" in again["data"]


@pytest.mark.parametrize("length", [2, 6])
def test_it_counts_rows_that_are_cut_short(small: list[str], tmp_path: Path, length: int):
    plan = Run.plan([*small, f"task.max_length={length + 2}", f"paths.outputs={tmp_path}"])
    assert "cut short" in plan["tokens"] and f"longest row {length + 2}" in plan["tokens"]
