"""Every family scores choices by themselves, any number of them a row, from rows to predictions."""

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
from pipeline.strategies.lora import Lora
from pipeline.tasks.multiple_choice import MultipleChoice
from tests.conftest import ROOT
from tests.models import families
from tests.models.families import CLASSIFIERS
from tests.tasks.parts import NO_TOKENIZER, answers

ROWS = {
    "context": ["the film was good", "the plot was dull", "it"],
    "choices": [
        ["it is great", "it is bad"],
        ["not good", "great acting", "very good"],
        ["is a film", "is a plot"],
    ],
    "label": [0, 0, 1],
}
EVEN = {**ROWS, "choices": [["it is great", "it is bad"], ["not good", "great"], ["is a film", "is a plot"]]}
SAMPLE = Path(__file__).parent / "samples/multiple_choice.jsonl"
RUN = ["task=multiple_choice", "data=files", "hardware=cpu", "hardware.threads=1", "logger=none"]


def prepared(folder: str, rows: dict[str, Any], **options: Any) -> Any:
    """Task, head, model and one batch of all rows."""
    task, checkpoint = MultipleChoice(**options), Checkpoint(checkpoint=folder)
    head = task.learn(DatasetDict(train=Dataset.from_dict(rows)), checkpoint.config(folder))
    torch.manual_seed(0)
    model, _ = task.load(checkpoint, folder, head)
    tokenizer = checkpoint.tokenizer(folder)
    features = task.encode(rows, tokenizer, head)
    examples = [{name: v[i] for name, v in features.items()} for i in range(len(rows["context"]))]
    return task, head, model, task.collate(examples, tokenizer)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return families.pretrained("bert", tmp_path_factory.mktemp("bert"))


def test_smoothing_spreads_over_the_choices_that_a_row_has(bert: str) -> None:
    task, _, model, batch = prepared(bert, ROWS, label_smoothing=0.2)
    output = task.loss(model, batch)
    expected = [
        functional.cross_entropy(logits[: len(choices)], torch.tensor(label), label_smoothing=0.2)
        for logits, choices, label in zip(output.predictions, ROWS["choices"], ROWS["label"], strict=True)
    ]
    torch.testing.assert_close(output.loss, torch.stack(expected).sum())
    output.loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_rows_of_any_number_of_choices(family: str, tmp_path: Path) -> None:
    """Together they give what each row and each choice gives by itself."""
    folder = families.pretrained(family, tmp_path / "checkpoint")
    task, head, model, batch = prepared(folder, ROWS)
    output = task.loss(model, batch)
    assert output.predictions.shape == (3, 3) and output.weight == 3
    assert output.predictions.isinf().tolist() == [[False, False, True], [False] * 3, [False, False, True]]
    tokenizer = Checkpoint(checkpoint=folder).tokenizer(folder)
    total = torch.tensor(0.0)
    for i, choices in enumerate(ROWS["choices"]):
        row = {name: [values[i]] for name, values in ROWS.items()}
        features = task.encode(row, tokenizer, head)
        alone = task.collate([{name: v[0] for name, v in features.items()}], tokenizer)
        logits = task.predict(model, alone)
        torch.testing.assert_close(logits[0], output.predictions[i, : len(choices)], atol=1e-5, rtol=1e-4)
        total = total + functional.cross_entropy(logits, torch.tensor([ROWS["label"][i]]))
    torch.testing.assert_close(output.loss, total, atol=1e-4, rtol=1e-4)
    output.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "distilbert", "deberta", "modernbert", "xlnet", "electra"]
)
def test_the_loss_is_that_of_transformers_own_head(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    task, head, model, batch = prepared(folder, EVEN)
    assert head["grouped"] and type(model).__name__.endswith("ForMultipleChoice")
    grouped = {name: value.view(3, 2, -1) for name, value in task.forward_inputs(batch).items()}
    own = model(**grouped, labels=batch["labels"])
    output = task.loss(model, batch)
    torch.testing.assert_close(output.loss / output.weight, own.loss)
    torch.testing.assert_close(output.predictions, own.logits)


def test_an_adapter_takes_them_too(bert: str) -> None:
    task, _, model, batch = prepared(bert, ROWS)
    expected = task.loss(model, batch)
    torch.testing.assert_close(task.loss(Lora(modules=["query"]).adapt(model), batch).loss, expected.loss)


def test_what_a_model_reads(bert: str) -> None:
    rows = {
        "context": ["the film", "it"],
        "question": ["was", None],
        "a": ["good", "is"],
        "b": ["bad", "was"],
    }
    rows |= {"label": ["B", "A"], "c": ["dull", ""]}
    _, _, _, batch = prepared(bert, rows, choice_columns=["a", "b", "c"])
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    first, second = ["the film"] * 3 + ["it"] * 2, ["was good", "was bad", "was dull", "is", "was"]
    expected = tokenizer(first, second, padding=True, return_tensors="pt")
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name].squeeze(1), expected[name])
    assert batch["choices"].tolist() == [3, 2] and batch["labels"].tolist() == [1, 0]


def test_texts_do_not_run_together_where_nothing_parts_them() -> None:
    from pipeline.tasks.choices.encoding import encode_choices
    from pipeline.tasks.choices.rows import Choices

    tokenizer = families.tokenizer(decoder=True)
    tokenizer.pad_token = "[SEP]"
    features = encode_choices(["the"], None, [Choices(["film", "plot"])], tokenizer, None, 512)
    assert [tokenizer.decode(ids) for ids in features["input_ids"][0]] == ["the film", "the plot"]
    assert features["length"] == [4] and features["truncated"] == [False]


def test_a_text_that_is_too_long_is_cut_and_counted(bert: str) -> None:
    task, head, _, _ = prepared(bert, ROWS, max_length=8)
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    rows = {"context": ["the film " * 5_000, "a"], "choices": [["is good", "is bad"]] * 2}
    features = task.encode(rows, tokenizer, head)
    assert features["truncated"] == [True, False] and features["length"] == [16, 12]


def test_predictions_for_people() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 1.0, -torch.inf]])
    rows = [{"context": "c", "choices": ["x", "y", "z"]}, {"context": "d", "choices": '["猫", "犬"]'}]
    first, second = MultipleChoice().decode(answers(logits, rows), NO_TOKENIZER, {"label_is": "letter"})
    assert (first["label"], first["choice"], first["text"]) == ("B", 1, "y")
    assert first["scores"] == pytest.approx(logits[0].softmax(-1).tolist()) and first["score"] == max(
        first["scores"]
    )
    assert (second["label"], second["text"], len(second["scores"])) == ("A", "猫", 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"choice_columns": ["a"]}, "choice_columns"),
        ({"choice_columns": ["a", "a"]}, "the same column twice"),
        ({"choice_columns": ["a", "label"]}, "label is no choice"),
        ({"label_is": "index"}, "label_is"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MultipleChoice(**options)


def test_the_shipped_task_states_the_defaults_of_its_class() -> None:
    values = yaml.safe_load((ROOT / "conf/task/multiple_choice.yaml").read_text())
    assert values.pop("_target_") == "pipeline.tasks.multiple_choice.MultipleChoice"
    assert MultipleChoice(**values) == MultipleChoice()
    assert set(values) == {field.name for field in dataclasses.fields(MultipleChoice)}  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_a_run_learns_and_predicts(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    words = ["model=auto", f"model.checkpoint={folder}", f"data.train={SAMPLE}", f"paths.outputs={tmp_path}"]
    words += ["data.overfit=16", "trainer.max_epochs=25", "trainer.batch_size=8", "optimizer.lr=5e-3"]
    run = Run.train([*RUN, *words])
    assert run.metrics["test/accuracy"] > 0.8 and run.metrics["monitor"] == "val/accuracy"
    assert run.evaluate()["test/mrr"] == pytest.approx(run.metrics["test/mrr"])
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    said = run.predict([{name: row[name] for name in ("context", "choices")} for row in rows])
    assert all(row["text"] == asked["choices"][row["choice"]] for row, asked in zip(said, rows, strict=True))
    with pytest.raises(BadInput, match="input row 1: one choice only"):
        run.predict([{"context": "a film", "choices": ["is"]}])


def test_columns_of_choices_in_a_csv(bert: str, tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(["passage", "A", "B", "C", "answer"])
        writer.writerows(
            ["جيد 🎬", "film", f"plot {i}", "" if i % 2 else "acting", "AB"[i % 2]] for i in range(20)
        )
    words = [
        *RUN,
        "model=auto",
        f"model.checkpoint={bert}",
        f"data.train={path}",
        f"paths.outputs={tmp_path}",
    ]
    words += ["trainer.max_steps=2", "trainer.batch_size=4", "data.columns={context: passage, label: answer}"]
    with pytest.raises(BadInput, match="no column 'choices'"):
        Run.train(words)
    run = Run.train([*words, "task.choice_columns=[A,B,C]"])
    assert run.manifest["prepared"]["head"]["label_is"] == "letter"
    [said] = run.predict([{"passage": "a film", "A": "is", "B": "was", "C": None}])
    assert len(said["scores"]) == 2 and said["label"] in ("A", "B")
    assert run.evaluate()["test/accuracy"] == run.metrics["test/accuracy"]


@pytest.mark.slow
@pytest.mark.acceptance
@pytest.mark.skipif(
    "HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder with data sets"
)
def test_swag(tmp_path: Path) -> None:
    """The bar of transformers' run_swag: the same ten rows are learned and scored."""
    path = Path(os.environ["HYDRATUNE_DATA"]) / "hf_samples/swag/sample.json"
    words = [*RUN[:3], "logger=none", "model=bert", f"data.train={path}", f"data.validation={path}"]
    words += [
        "data.columns={context: sent1, question: sent2}",
        "data.split.test=0",
        f"paths.outputs={tmp_path}",
    ]
    words += ["task.choice_columns=[ending0,ending1,ending2,ending3]", "optimizer.lr=2e-4"]
    words += ["trainer.batch_size=2", "trainer.max_steps=20", "scheduler.warmup_steps=2"]
    assert Run.train(words).metrics["val/accuracy"] >= 0.8
