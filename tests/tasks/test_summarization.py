import json
import os
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from pipeline import Run
from pipeline.tasks.summarization import Summarization
from pipeline.tasks.writing.metrics import ROUGE_TYPES
from tests.tasks.test_text_to_text import SAMPLES, metrics_of, overrides
from tests.tasks.word_models import word_bart

HEAD = {"encoder_decoder": True, "latin": True}


def scored(task: Summarization, text: str, right: Any) -> dict[str, float]:
    metrics = task.metrics(HEAD)
    metrics.update([{"text": text}], [{"source": "x", "target": right}])
    return task.scores(metrics.compute(), HEAD).values


def test_scores_are_rouge_and_have_their_directions() -> None:
    task = Summarization()
    found = scored(task, "Dogs are running", ["A dog runs", "Cats"])
    expected = RougeScorer(["rouge1"], use_stemmer=True).score("A dog runs", "Dogs are running")
    assert found["rouge1"] == pytest.approx(100 * expected["rouge1"].fmeasure) and found["rouge1"] > 60
    assert {"loss", *found} == set(task.directions(HEAD)) == {"loss", *ROUGE_TYPES, "length_ratio"}
    assert scored(Summarization(rouge_stemmer=False), "Dogs are running", "A dog runs")["rouge1"] == 0


def test_sentences_count_by_themselves_where_asked() -> None:
    text, right = "It is late. The cat ran.", "The cat ran. It is late."
    assert scored(Summarization(rouge_split_sentences=True), text, right)["rougeLsum"] == pytest.approx(100)
    assert scored(Summarization(), text, right)["rougeLsum"] < 60


@pytest.mark.parametrize("off", [True, False], ids=["by loss", "by rougeL"])
def test_what_chooses_the_best(off: bool) -> None:
    assert Summarization(generate_in_validation=not off).monitor == ("loss" if off else "rougeL")


def test_a_run_is_validated_by_loss_alone_and_tested_by_rouge(tmp_path: Path) -> None:
    data = SAMPLES / "summarization.jsonl"
    run = Run.train(
        overrides("gpt2", tmp_path, "summarization", data, **{"task.generate_in_validation": "false"})
    )
    metrics = metrics_of(run)
    assert metrics["monitor"] == "val/loss"
    assert [name for name in metrics if name.startswith("val/")] == ["val/loss"]
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    said = [text["text"] for text in run.predict([{"source": row["source"]} for row in rows])]
    scorer = RougeScorer(list(ROUGE_TYPES), use_stemmer=True)
    each = [scorer.score(row["target"], text) for row, text in zip(rows, said, strict=True)]
    for name in ROUGE_TYPES:
        expected = 100 * sum(one[name].fmeasure for one in each) / len(each)
        assert metrics[f"test/{name}"] == pytest.approx(expected, abs=1e-6)
    assert metrics["test/rouge1"] > 30


@pytest.mark.acceptance
@pytest.mark.skipif("HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder")
def test_xsums_sample_is_memorised(tmp_path: Path) -> None:
    """The bars of transformers' test of run_summarization, from random weights and therefore in more steps."""
    file = Path(os.environ["HYDRATUNE_DATA"]) / "hf_samples/xsum/sample.json"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    model = word_bart(tmp_path / "model", [text for row in rows for text in row.values()])
    columns = {"data.columns.source": "document", "data.columns.target": "summary"}
    steps = {"trainer.max_steps": 200, "trainer.batch_size": 2, "optimizer.lr": 3e-3}
    written = {"task.generation.max_new_tokens": 60, "task.generation.num_beams": 2}
    keys = overrides("bart", tmp_path, "summarization", file, **columns, **steps, **written)
    run = Run.train([*keys, f"model.checkpoint={model}", "trainer.max_epochs=null"])
    bars = {"rouge1": 10, "rouge2": 2, "rougeL": 7, "rougeLsum": 7}
    found = metrics_of(run)
    assert all(found[f"test/{name}"] >= bar for name, bar in bars.items())
