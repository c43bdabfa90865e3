"""A run begins with what its strategy saw of the training data, the same in every call."""

from pathlib import Path

import safetensors.torch
import torch

from pipeline import Run


def adapter(run: Run) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run.folder / "model/adapter/adapter_model.safetensors")


def test_lora_begins_with_what_modules_read(small: list[str], tmp_path: Path) -> None:
    keys = [*small, "strategy=lora", "strategy.r=2", "strategy.modules=[query]", "trainer.max_steps=1"]
    keys += ["optimizer.lr=1e-12", "trainer.max_epochs=null"]
    both = [
        adapter(Run.train([*keys, "strategy.init=eva", f"paths.outputs={tmp_path / name}"]))
        for name in ("one", "other")
    ]
    plain = adapter(Run.train([*keys, f"paths.outputs={tmp_path / 'plain'}"]))
    assert both[0].keys() == plain.keys()
    assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())
    for name, value in both[0].items():
        if "lora_A" in name:
            # Directions have the length 1, and are at right angles.
            torch.testing.assert_close(value @ value.T, torch.eye(2), atol=1e-3, rtol=0)
            assert not torch.allclose(plain[name] @ plain[name].T, torch.eye(2), atol=1e-3)
