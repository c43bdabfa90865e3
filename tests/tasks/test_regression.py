"""The loss is the model's own, the scale travels with the model, and a run goes from rows to numbers."""

import csv
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from datasets import Dataset, DatasetDict
from torch.nn import functional

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.regression import Regression
from tests.conftest import ROOT
from tests.models import families
from tests.models.families import CLASSIFIERS
from tests.tasks.parts import NO_MODEL, NO_TOKENIZER, answers

ROWS = {
    "text": ["a good film", "the plot was dull", "great acting and it is not boring", "bad"],
    "label": [4.0, 1.5, 5.0, 0.0],
}
TWO = {"text": ROWS["text"], "plot": [1, 0, 3, 2], "acting": [40.0, 20.0, 50.0, 10.0]}
SAMPLE = Path(__file__).parent / "samples/regression.jsonl"
RUN = [
    "task=regression",
    "data=files",
    "hardware=cpu",
    "hardware.threads=1",
    "logger=none",
    "trainer.batch_size=8",
]


def prepared(folder: str, rows: dict[str, Any], **options: Any) -> Any:
    """Task, head, model and one batch of all rows."""
    task, checkpoint = Regression(**options), Checkpoint(checkpoint=folder)
    head = task.learn(DatasetDict(train=Dataset.from_dict(rows)), NO_MODEL)
    torch.manual_seed(0)
    model, _ = task.load(checkpoint, folder, head)
    tokenizer = checkpoint.tokenizer(folder)
    features = task.encode(rows, tokenizer, head)
    examples = [{name: v[i] for name, v in features.items()} for i in range(len(rows["text"]))]
    return task, head, model, task.collate(examples, tokenizer)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return families.pretrained("bert", tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("several", [False, True], ids=["one target", "two"])
def test_the_loss_is_the_models_own(family: str, several: bool, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    options: dict[str, Any] = {"target_columns": ["plot", "acting"]} if several else {}
    task, _, model, batch = prepared(folder, TWO if several else ROWS, **options)
    output = task.loss(model, batch)
    own = model(**batch)
    torch.testing.assert_close(output.loss / output.weight, own.loss)
    assert output.predictions.shape == output.targets.shape == (4, 2 if several else 1)
    assert output.weight == 4 and output.predictions.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({"error": "mae"}, functional.l1_loss),
        ({"error": "huber"}, functional.huber_loss),
        ({"error": "huber", "huber_delta": 0.1}, lambda a, b: functional.huber_loss(a, b, delta=0.1)),
    ],
)
def test_other_errors_are_torchs(options: Any, reference: Any, bert: str) -> None:
    task, _, model, batch = prepared(bert, TWO, target_columns=["plot", "acting"], **options)
    output = task.loss(model, batch)
    torch.testing.assert_close(output.loss / output.weight, reference(output.predictions, batch["labels"]))
    parts = [task.loss(model, {n: v[s] for n, v in batch.items()}) for s in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(part.loss for part in parts), output.loss)


def test_the_saved_model_knows_its_scale(bert: str, tmp_path: Path) -> None:
    task, head, model, batch = prepared(bert, TWO, target_columns=["plot", "acting"])
    model.save_pretrained(tmp_path)
    from transformers import AutoModelForSequenceClassification

    plain: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    config = plain.config
    assert config.problem_type == "regression" and config.id2label == {0: "plot", 1: "acting"}
    assert config.target_low == [0.0, 10.0] and config.target_high == [3.0, 50.0]
    with torch.no_grad():
        logits = plain(**task.forward_inputs(batch)).logits
    units = logits * torch.tensor(config.target_scale) + torch.tensor(config.target_mean)
    said = task.decode(answers(task.predict(model, batch)), NO_TOKENIZER, head)
    assert [list(row["values"].values()) for row in said] == [pytest.approx(row) for row in units.tolist()]
    assert list(said[0]["values"]) == ["plot", "acting"]


def test_a_model_of_other_targets_says_so(bert: str, tmp_path: Path) -> None:
    _, head, model, _ = prepared(bert, ROWS)
    model.save_pretrained(tmp_path)
    families.tokenizer().save_pretrained(tmp_path)
    checkpoint = Checkpoint(checkpoint=str(tmp_path))
    assert not Regression().load(checkpoint, str(tmp_path), head)[1].lines()
    lines = Regression().load(checkpoint, str(tmp_path), {**head, "target_scale": [9.0]})[1].lines()
    assert any("trained for other targets (label)" in line for line in lines)


def test_rows_without_targets_can_be_predicted(bert: str) -> None:
    task, head, _, _ = prepared(bert, ROWS)
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    features = task.encode_inputs({"text": ROWS["text"], "label": [None] * 4}, tokenizer, head)
    assert "label" not in features and len(features["input_ids"]) == 4


def test_targets_are_described() -> None:
    head = Regression().learn(DatasetDict(train=Dataset.from_dict(ROWS)), NO_MODEL)
    assert Regression().describe(head) == {"targets": "1: label 0 to 5 (mean 2.625, deviation 1.98)"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"error": "rmse"}, "error"),
        ({"huber_delta": 0}, "huber_delta"),
        ({"target_columns": ["a", "a"]}, "the same column twice"),
        ({"target_columns": ["text"]}, "text is what the numbers are of"),
        ({"target_columns": []}, "target_columns"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Regression(**options)


def test_the_shipped_task_states_the_defaults_of_its_class() -> None:
    values = yaml.safe_load((ROOT / "conf/task/regression.yaml").read_text())
    assert values.pop("_target_") == "pipeline.tasks.regression.Regression"
    assert values["pooling"] == "${oc.select:strategy.pooling,null}"
    assert Regression(**{**values, "pooling": None}) == Regression()
    assert set(values) == {field.name for field in dataclasses.fields(Regression)}  # type: ignore[arg-type]


def test_a_run_learns_and_predicts_in_the_units_of_the_data(bert: str, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    path = tmp_path / "ratings.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(["body", "stars"])
        writer.writerows([f"{row['text']} 🎬", 1000 + 100 * row["label"]] for row in rows)
    columns = ["data.columns={text: body, label: stars}", f"paths.outputs={tmp_path}"]
    model = ["model=auto", f"model.checkpoint={bert}", "optimizer.lr=5e-3", "trainer.max_epochs=20"]
    run = Run.train([*RUN, *model, *columns, f"data.train={path}", "data.overfit=20"])
    assert run.metrics["test/r2"] > 0.5 and run.metrics["monitor"] == "val/r2"
    assert run.metrics["test/rmse"] ** 2 == pytest.approx(run.metrics["test/mse"])
    assert run.evaluate()["test/spearman"] == pytest.approx(run.metrics["test/spearman"])
    values = [said["value"] for said in run.predict([{"body": row["text"]} for row in rows])]
    assert all(800 < value < 1700 for value in values)
    with pytest.raises(BadInput, match="'many' is no number"):
        path.write_text("body,stars\na film,many\n")
        run.evaluate(["data=files", f"data.test={path}", *columns[:1]])


def test_several_columns_in_a_run(bert: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": "很好 جيد", "text_pair": "a film", "F": i % 5, "adequacy": i / 7} for i in range(30)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    words = [
        *RUN,
        "model=auto",
        f"model.checkpoint={bert}",
        f"data.train={path}",
        f"paths.outputs={tmp_path}",
    ]
    words += ["task.target_columns=[fluency,adequacy]", "trainer.max_steps=2", "task.error=huber"]
    with pytest.raises(BadInput, match="no column 'fluency'"):
        Run.train(words)
    run = Run.train([*words, "data.columns.fluency=F"])
    assert {"test/mae", "test/mae/fluency", "test/pearson/adequacy"} <= run.metrics.keys()
    [said] = run.predict(rows[:1])
    assert said["values"].keys() == {"fluency", "adequacy"}
    line = json.loads((run.folder / "predictions/test.jsonl").read_text("utf-8").splitlines()[0])
    assert {"fluency", "adequacy", "text", "text_pair", "prediction"} <= line.keys()


@pytest.mark.slow
@pytest.mark.acceptance
@pytest.mark.skipif(
    "HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder with data sets"
)
def test_similarity_of_sentences(tmp_path: Path) -> None:
    folder = Path(os.environ["HYDRATUNE_DATA"]) / "glue_stsb"
    data = [f"data.{split}={folder}/{split}.jsonl" for split in ("train", "validation", "test")]
    words = [*RUN[:3], "logger=none", "model=bert", *data, "optimizer.lr=1e-4", "trainer.batch_size=16"]
    words += ["data.columns={text: sentence1, text_pair: sentence2, label: score}", "trainer.max_epochs=1"]
    metrics = Run.train([*words, f"paths.outputs={tmp_path}"]).metrics
    assert metrics["test/pearson"] > 0.8 and metrics["test/spearman"] > 0.8
