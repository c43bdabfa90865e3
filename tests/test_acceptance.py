"""The bars that transformers sets for its own example scripts, on its fixtures, with the same hyperparameters.

They are memorisation tests: the training file is the validation file too. The checkpoints there are on a hub; here it
is the packaged ones that learn, and MiniLM, a fifth of BERT base, gets more steps where Trainer cannot bring it over
the bar in as many either. `HYDRATUNE_DATA` names the folder that `hf_samples` is in.
"""

import math
import os
from pathlib import Path

import pytest

from pipeline import Run

DATA = os.environ.get("HYDRATUNE_DATA")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not DATA, reason="HYDRATUNE_DATA names no folder with data sets"),
]
# They score what they train on, which the audit stops for.
COMMON = ["hardware=cpu", "logger=none", "trainer.batch_size=2", "data.audit=warn"]


def trained(folder: Path, file: str, *words: str, everywhere: bool = True) -> dict[str, float]:
    path = Path(DATA or "") / "hf_samples" / file
    splits = ["train", "validation", "test"] if everywhere else ["train"]
    data = ["data=files", *(f"data.{split}={path}" for split in splits)]
    return Run.train([*data, *COMMON, *words, f"paths.outputs={folder}"]).metrics


def test_classification(tmp_path: Path):
    columns = "data.columns={text:sentence1,text_pair:sentence2}"
    words = ["model=bert", columns, "optimizer.lr=1e-4", "trainer.max_steps=10", "scheduler.warmup_steps=2"]
    metrics = trained(tmp_path, "MRPC/train.csv", *words, "seed=42", "task.max_length=128")
    assert metrics["val/accuracy"] >= 0.75


def test_entities(tmp_path: Path):
    words = [
        "task=token_classification",
        "model=bert",
        "data.columns={tokens:words,tags:ner}",
        "optimizer.lr=2e-4",
    ]
    words += ["trainer.max_epochs=7", "scheduler.warmup_steps=2", "seed=7"]
    metrics = trained(tmp_path, "conll/sample.json", *words)
    assert metrics["val/accuracy"] >= 0.75
    assert metrics["val/loss"] < 0.5


def test_answers(tmp_path: Path):
    words = ["task=question_answering", "model=bert", "optimizer.lr=2e-4", "trainer.max_steps=40"]
    metrics = trained(tmp_path, "SQUAD/sample.json", *words, "scheduler.warmup_steps=2")
    assert metrics["val/exact_match"] >= 30
    assert metrics["val/f1"] >= 30


def test_choices(tmp_path: Path):
    words = ["task=multiple_choice", "model=bert", "optimizer.lr=2e-4", "trainer.max_steps=20"]
    words += ["data.columns={context: sent1, question: sent2}"]
    words += ["task.choice_columns=[ending0,ending1,ending2,ending3]"]
    metrics = trained(tmp_path, "swag/sample.json", *words, "scheduler.warmup_steps=2")
    assert metrics["val/accuracy"] >= 0.8


@pytest.mark.slow
def test_next_tokens(tmp_path: Path):
    words = ["task=causal_lm", "model=smollm2", "task.max_length=128", "trainer.max_epochs=2"]
    metrics = trained(tmp_path, "sample_text.txt", *words, "trainer.batch_size=5", "strategy=full")
    assert metrics["val/perplexity"] < 100
    assert metrics["val/perplexity"] == pytest.approx(math.exp(metrics["val/loss"]))
