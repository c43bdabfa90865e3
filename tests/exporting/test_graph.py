"""Graphs of every head that is exported, run by onnxruntime on other sizes than they were traced with."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch

from pipeline.exporting.graph import Graph, trace
from pipeline.tasks.embedding.pooling import embed
from tests.models import families

SAMPLE = {
    "input_ids": torch.tensor([[2, 9, 3, 0, 0], [2, 7, 8, 9, 3]]),
    "attention_mask": torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]),
}


def run(file: Path, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    session = onnxruntime.InferenceSession(file)
    names = [each.name for each in session.get_outputs()]
    made = session.run(names, {name: value.numpy() for name, value in inputs.items()})
    return {name: torch.from_numpy(value) for name, value in zip(names, made, strict=True)}


@pytest.mark.parametrize(
    ("family", "head", "names"),
    [
        ("bert", "TokenClassification", ["logits"]),
        ("distilbert", "QuestionAnswering", ["start_logits", "end_logits"]),
        ("xlnet", "SequenceClassification", ["logits"]),
        ("roberta", "MaskedLM", ["logits"]),
    ],
)
def test_what_comes_out_is_what_the_model_computes(family: str, head: str, names: list[str], tmp_path: Path):
    model: Any = families.random_model(family, f"AutoModelFor{head}")
    trace(Graph(model, list(SAMPLE), None), SAMPLE, tmp_path / "model.onnx")
    batch = families.batch()
    found = run(tmp_path / "model.onnx", batch)
    with torch.inference_mode():
        made = model(**batch)
    assert list(found)[: len(names)] == names
    for name in names:
        torch.testing.assert_close(found[name], made[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_embeddings_are_pooled_in_the_graph(pooling: Any, tmp_path: Path):
    model: Any = families.random_model("bert", "AutoModel")
    trace(Graph(model, list(SAMPLE), pooling), SAMPLE, tmp_path / "model.onnx")
    batch = families.batch()
    (found,) = run(tmp_path / "model.onnx", batch).values()
    with torch.inference_mode():
        torch.testing.assert_close(found, embed(model, batch, pooling), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(4))
