"""Every peer trains for two steps on a few rows and reports the scores of its pairs."""

import importlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import transformers
from datasets import Dataset, DatasetDict

from benchmarks.tasks.job import TaskJob
from benchmarks.tasks.new_seq2seq import save_new
from benchmarks.tasks.pairs import PAIRS
from benchmarks.tasks.peers.training import serve
from tests.models.families import pretrained, tokenizer

SENTENCE = "the film was good and the plot was not boring"
WORDS = SENTENCE.split()
TEMPLATE = "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
WRITING = {"max_source_length": 16, "max_target_length": 8, "generation": {"max_new_tokens": 4}}
# One row of each pair's data; the number in it makes the rows differ.
ROWS: dict[str, dict[str, Any]] = {
    "trec_classes": {"text": SENTENCE, "label": "{}"},
    "stsb_regression": {"text": SENTENCE, "text_pair": "a {} plot", "label": 1.5},
    "wnut17_entities": {"tokens": WORDS, "tags": ["O", "B-work", "I-work", *["O"] * (len(WORDS) - 3)]},
    "codah_choices": {"context": "it was {}", "choices": ["good", "bad", "very dull"], "label": 1},
    "squad_answers": {
        "question": "was it good {}",
        "context": SENTENCE,
        "answers": {"text": ["film"], "answer_start": [4]},
    },
    "shakespeare_masked": {"text": SENTENCE},
    "shakespeare_causal": {"text": SENTENCE},
    "stsb_embeddings": {"text": SENTENCE, "text_pair": "a {} plot", "score": 2.0},
    "gsm8k_embeddings": {"text": "was the film {}", "positive": "it was {}"},
    "multi30k_translation": {"source": SENTENCE, "target": "it was {}"},
    "scitldr_summaries": {"source": SENTENCE, "target": "good {}"},
    "gsm8k_instructions": {"prompt": "was it good {}", "response": "it was"},
    "mbpp_code": {"prompt": "good {}", "code": "good = 1", "tests": ["assert good"]},
}
TASKS: dict[str, dict[str, Any]] = {
    "squad_answers": {"stride": 4},
    "gsm8k_embeddings": {"temperature": 0.05},
    "multi30k_translation": WRITING,
    "scitldr_summaries": {**WRITING, "separator": "\\n"},
    "gsm8k_instructions": WRITING,
    "mbpp_code": {**WRITING, "tests_in_prompt": 1},
}
DECODERS = ("shakespeare_causal", "scitldr_summaries", "gsm8k_instructions", "mbpp_code")
# What chooses the checkpoint, where it is not the loss.
MONITORS = {
    "trec_classes": "accuracy",
    "stsb_regression": "pearson",
    "wnut17_entities": "f1",
    "codah_choices": "accuracy",
    "squad_answers": "f1",
}


def numbered(value: Any, number: int) -> Any:
    """``value`` with a word, or a number, of its own."""
    if isinstance(value, float):
        return value + number / 4
    return value.replace("{}", ("bad", "dull")[number % 2]) if isinstance(value, str) else value


def rows(name: str, count: int) -> Dataset:
    return Dataset.from_list(
        [{column: numbered(value, i) for column, value in ROWS[name].items()} for i in range(count)]
    )


def checkpoint(name: str, folder: Path) -> Path:
    """A small random model of the kind that the pair's peer starts from."""
    if PAIRS[name].texts:
        save_new(folder, [SENTENCE], words=300, size=16, layers=1)
        return folder
    decoder = name in DECODERS
    pretrained("llama" if decoder else "bert", folder)
    words = tokenizer(kind="decoder" if decoder else "encoder", model_max_length=64)
    words.chat_template = TEMPLATE
    words.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", PAIRS)
def test_peer_trains_and_reports_the_scores_of_its_pair(name, tmp_path, monkeypatch):
    raw = DatasetDict({split: rows(name, 4) for split in ("train", "validation", "test")})
    if name.startswith("shakespeare"):
        raw["train"] = rows(name, 8)
    raw.save_to_disk(str(tmp_path / "raw"))
    monitor = MONITORS.get(name, "loss")
    job = TaskJob(
        pair=name,
        seed=0,
        rows=str(tmp_path / "raw"),
        checkpoint=str(checkpoint(name, tmp_path / "model")),
        task=TASKS.get(name, {}),
        head={"score_range": [0, 5]},
        max_length=16,
        steps=2,
        steps_per_epoch=2,
        warmup_steps=1,
        lr=1e-3,
        weight_decay=0.01,
        betas=(0.9, 0.999),
        eps=1e-8,
        batch_size=2,
        evaluation_batch_size=2,
        gradient_clip=1.0,
        monitor=monitor,
        greater_is_better=monitor != "loss",
        accelerator="cpu",
        precision="32",
        threads=None,
    )
    Path(tmp_path, "job.json").write_text(json.dumps(asdict(job)))
    monkeypatch.setattr("sys.argv", ["peer", str(tmp_path / "job.json"), str(tmp_path / "result.json")])
    verbosity = transformers.logging.get_verbosity()
    try:
        peer = PAIRS[name].peer
        serve(getattr(importlib.import_module(f"benchmarks.tasks.peers.{peer}"), peer))
    finally:
        transformers.logging.set_verbosity(verbosity)
    found = json.loads(Path(tmp_path, "result.json").read_text())
    assert set(PAIRS[name].scores) <= set(found)
    assert all(math.isfinite(found[score]) for score in PAIRS[name].scores)
