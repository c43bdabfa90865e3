"""A pooled classifier through the whole program: from a pretraining of one's own to predictions."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pipeline import Run
from tests.conftest import LEARNING

READ = """# @package _global_
# Words are masked.
defaults:
  - override /task: masked_lm
  - _self_
task: {max_length: 24}
trainer: {max_steps: 4}
"""
SORT = """# @package _global_
# Texts are sorted by the mean of their tokens.
defaults:
  - override /task: text_classification
  - _self_
task: {max_length: 24, pooling: mean, head_layers: [16]}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, reviews: Path) -> Run:
    """Read it only."""
    from tests.conftest import small_keys

    folder = tmp_path_factory.mktemp("pooled")
    (folder / "conf/stage").mkdir(parents=True)
    (folder / "conf/stage/read.yaml").write_text(READ)
    (folder / "conf/stage/sort.yaml").write_text(SORT)
    keys = [key for key in small_keys(tiny_bert, reviews) if not key.startswith("data.columns.label")]
    columns = ["stage.sort.data.columns.label=verdict", "stage.read.data.split.stratify_by=verdict"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Run.train([*keys, "stages=[read,sort]", *columns, *(f"stage.sort.{key}" for key in LEARNING)])


def test_a_pretraining_goes_on_as_a_pooled_classifier(trained: Run) -> None:
    assert trained.metrics["reload_difference"] < 1e-5 and trained.metrics["test/accuracy"] > 0.9
    new, *_ = trained.manifest["weights"]
    assert new == "newly initialised: head.1.bias, head.1.weight, head.4.bias, head.4.weight"
    assert dict(trained.manifest["prepared"]["head"]["pooled"])["pooling"] == "mean"
    names = {name.partition(".")[0] for name in load_file(trained.folder / "model/model.safetensors")}
    assert names == {"backbone", "head"}


def test_it_is_evaluated_and_asked_as_it_was_trained(trained: Run) -> None:
    scores = trained.evaluate()
    assert scores["test/accuracy"] == pytest.approx(trained.metrics["test/accuracy"])
    said = trained.predict(["a wonderful film", "dreadful"])
    assert [row["label"] for row in said] == ["good", "bad"]
    tokenizer = AutoTokenizer.from_pretrained(trained.folder / "model")
    plain = AutoModelForSequenceClassification.from_pretrained(trained.folder / "model").eval()
    with torch.inference_mode():
        logits = plain(**tokenizer("a wonderful film", return_tensors="pt")).logits
    assert said[0]["score"] == pytest.approx(logits.softmax(-1).max().item(), abs=1e-5)


def test_the_example_of_its_card_runs(
    trained: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    code = (trained.folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert "trust_remote_code=True" in code
    monkeypatch.chdir(trained.folder)
    exec(code, {})
    assert "tensor([[" in capsys.readouterr().out
