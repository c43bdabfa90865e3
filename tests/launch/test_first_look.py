"""A run begins with what its strategy saw of the training data, the same in every call."""

from pathlib import Path

import safetensors.torch
import torch
from transformers import AutoTokenizer

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


def test_a_prompt_begins_as_a_text_does(small: list[str], tiny_bert: Path, tmp_path: Path) -> None:
    keys = ["strategy=prompt_tuning", "strategy.tokens=30", "trainer.max_steps=1", "optimizer.lr=1e-12"]
    run = Run.train([*small, *keys, "trainer.max_epochs=null", f"paths.outputs={tmp_path}"])
    words = safetensors.torch.load_file(tiny_bert / "model.safetensors")["embeddings.word_embeddings.weight"]
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    learned = adapter(run)["prompt_embeddings"]
    read = tokenizer.convert_ids_to_tokens([int((words - row).abs().sum(1).argmin()) for row in learned])
    # More than the longest review has words.
    assert read[0] == "[CLS]" and "[SEP]" in read and "[PAD]" not in read
    assert {"wonderful", "dreadful"} & set(read)
