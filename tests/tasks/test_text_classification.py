"""Losses equal the model's own and torch's, and every family goes from rows to predictions."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from datasets import Dataset, DatasetDict
from torch.nn import functional

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.lora import Lora
from pipeline.tasks.text_classification import TextClassification
from tests.models import families
from tests.models.families import CLASSIFIERS
from tests.tasks.parts import NO_MODEL, NO_TOKENIZER, answers

ROWS = {
    "text": ["a good film", "the plot was dull", "great acting and it is not boring", "bad"],
    "label": ["pos", "neg", "pos", "neg"],
}
SEVERAL = {"text": ROWS["text"], "label": ["good,film", "plot", "", ["film", "plot"][0]]}


def prepared(folder: str, rows: dict[str, Any], **options: Any) -> Any:
    """Task, head, model and one batch of all rows."""
    task, checkpoint = TextClassification(**options), Checkpoint(checkpoint=folder)
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
@pytest.mark.parametrize("multi_label", [False, True], ids=["one label", "several"])
def test_the_loss_is_the_models_own(family: str, multi_label: bool, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    rows = SEVERAL if multi_label else ROWS
    task, _, model, batch = prepared(folder, rows, multi_label=multi_label)
    output = task.loss(model, batch)
    own = model(**batch)
    torch.testing.assert_close(output.loss / output.weight, own.loss)
    assert torch.equal(output.predictions, own.logits) and output.predictions.dtype == torch.float32
    assert output.weight == 4 and torch.equal(output.targets, batch["labels"])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, "balanced", {"neg": 3.0}])
def test_weights_and_smoothing_are_torchs(weights: Any, smoothing: float, bert: str) -> None:
    rows = {"text": ROWS["text"], "label": ["pos", "neg", "pos", "pos"]}
    task, head, model, batch = prepared(bert, rows, class_weights=weights, label_smoothing=smoothing)
    expected = {None: None, "balanced": [2.0, 2 / 3]}.get(
        weights if weights != {"neg": 3.0} else "x", [3.0, 1.0]
    )
    assert head["class_weights"] == (expected and pytest.approx(expected))
    output = task.loss(model, batch)
    mean = functional.cross_entropy(
        model(**{name: value for name, value in batch.items() if name != "labels"}).logits,
        batch["labels"],
        weight=expected and torch.tensor(expected),
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(output.loss / output.weight, mean)


def test_several_labels_weigh_presence_and_smooth_to_one_half(bert: str) -> None:
    options = {"multi_label": True, "class_weights": {"plot": 2.0}, "label_smoothing": 0.2}
    task, head, model, batch = prepared(bert, SEVERAL, **options)
    assert head["labels"] == ["film", "good", "plot"]
    assert batch["labels"].tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    output = task.loss(model, batch)
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 1.0, 2.0]))(
        output.predictions, batch["labels"] * 0.8 + 0.1
    )
    torch.testing.assert_close(output.loss / output.weight, expected)


@pytest.mark.parametrize("options", [{}, {"class_weights": {"neg": 3.0}, "label_smoothing": 0.1}])
def test_sums_of_parts_are_the_sum_of_the_whole(options: dict[str, Any], bert: str) -> None:
    task, _, model, batch = prepared(bert, ROWS, **options)
    whole = task.loss(model, batch)
    parts = [task.loss(model, {n: v[s] for n, v in batch.items()}) for s in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(part.loss for part in parts), whole.loss)
    torch.testing.assert_close(sum(part.weight for part in parts), whole.weight)


def test_the_loss_sees_class_weights_through_an_adapter(bert: str) -> None:
    task, _, model, batch = prepared(bert, ROWS, class_weights={"neg": 3.0})
    expected = task.loss(model, batch)
    adapted = Lora(modules=["query"]).adapt(model)
    found = task.loss(adapted, batch)
    torch.testing.assert_close(found.loss, expected.loss)
    assert found.weight == expected.weight == 8


def test_the_saved_model_describes_itself(bert: str, tmp_path: Path) -> None:
    _, _, model, _ = prepared(bert, ROWS)
    config = model.config.to_dict()
    assert config["id2label"] == {0: "neg", 1: "pos"} and config["label2id"] == {"neg": 0, "pos": 1}
    assert config["problem_type"] == "single_label_classification"
    model.save_pretrained(tmp_path)
    assert str(Path(bert).parent) not in (tmp_path / "config.json").read_text()
    assert prepared(bert, SEVERAL, multi_label=True)[2].config.problem_type == "multi_label_classification"


def test_pairs_go_in_together(bert: str) -> None:
    rows = {**ROWS, "text_pair": ["it is", "it was", "a", "very"]}
    _, _, _, batch = prepared(bert, rows)
    assert batch["token_type_ids"].sum() > 0
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    expected = tokenizer(rows["text"], rows["text_pair"], padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])


def test_rows_without_labels_can_be_predicted(bert: str) -> None:
    task, head, model, batch = prepared(bert, ROWS)
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    features = task.encode({"text": ROWS["text"]}, tokenizer, head)
    assert "label" not in features
    plain = task.collate([{name: v[i] for name, v in features.items()} for i in range(4)], tokenizer)
    assert torch.equal(task.predict(model, plain), task.predict(model, batch))


def test_predictions_for_people() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    rows = TextClassification().decode(answers(logits), NO_TOKENIZER, {"labels": [1, 5, 10]})
    assert [row["label"] for row in rows] == [5, 1]
    expected = logits.softmax(-1)
    assert rows[0]["score"] == pytest.approx(float(expected[0, 1]))
    assert rows[0]["scores"] == pytest.approx(dict(zip(["1", "5", "10"], expected[0].tolist(), strict=True)))
    several = TextClassification(multi_label=True).decode(
        answers(logits - 0.5), NO_TOKENIZER, {"labels": ["a", "b", "c"]}
    )
    assert [row["labels"] for row in several] == [["b", "c"], ["a"]]
    assert several[0]["scores"]["b"] == pytest.approx(torch.sigmoid(torch.tensor(1.5)).item())


def test_labels_are_described_with_their_counts() -> None:
    describe = TextClassification().describe
    assert describe({"counts": {"train": {"a": 3, "Küche": 1_200, "NaN": 3}}}) == {
        "labels": "3: Küche 1,200, a 3, NaN 3"
    }
    many = {"counts": {"train": {f"c{number}": number for number in range(11)}, "test": {"c0": 99}}}
    assert describe(many) == {
        "labels": "11: c10 10, c9 9, c8 8, c7 7, c6 6, c5 5, c4 4, c3 3, … and 3 more, down to c0 0"
    }


def test_labels_of_other_data_are_checked(bert: str) -> None:
    task, head, _, _ = prepared(bert, ROWS)
    tokenizer = Checkpoint(checkpoint=bert).tokenizer(bert)
    with pytest.raises(BadInput) as raised:
        task.encode({"text": ["a", "b", "c"], "label": ["poss", "neg", None]}, tokenizer, head)
    unknown, empty = raised.value.problems
    assert "no label 'poss'" in unknown.what and unknown.nearest == "pos" and "neg, pos" in unknown.allowed
    assert empty.what == "no label"
    assert task.encode({"text": ["a"], "label": ["pos"]}, tokenizer, head)["label"] == [1]


def test_a_length_that_the_model_cannot_take(bert: str) -> None:
    with pytest.raises(BadInput, match=r"task\.max_length: 513 does not suit the model"):
        prepared(bert, ROWS, max_length=513)


def test_a_checkpoint_with_the_same_labels_in_another_order_is_refused(bert: str, tmp_path: Path) -> None:
    _, _, model, _ = prepared(bert, ROWS)
    model.save_pretrained(tmp_path)
    families.tokenizer().save_pretrained(tmp_path)
    warm = prepared(str(tmp_path), ROWS)[2]
    assert torch.equal(warm.classifier.weight, model.classifier.weight)
    with pytest.raises(BadInput, match=r"task.labels=\[neg,pos\]"):
        prepared(str(tmp_path), ROWS, labels=["pos", "neg"])
    task = TextClassification()
    head = {"labels": ["spam", "ham"], "class_weights": None}
    _, report = task.load(Checkpoint(checkpoint=str(tmp_path)), str(tmp_path), head)
    assert any("trained for other labels (neg, pos)" in line for line in report.lines())


@pytest.mark.parametrize(
    "options",
    [{"label_smoothing": 1.0}, {"class_weights": "even"}, {"class_weights": {"a": 0}}, {"lables": ["a"]}],
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TextClassification(**options)


def test_the_shipped_task_states_the_defaults_of_its_class() -> None:
    file = Path(__file__).parents[2] / "conf/task/text_classification.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert values.pop("_target_") == "pipeline.tasks.text_classification.TextClassification"
    assert values["train"] == "${train}" and values["pooling"] == "${oc.select:strategy.pooling,null}"
    assert TextClassification(**{**values, "train": True, "pooling": None}) == TextClassification()
    assert set(values) == {field.name for field in dataclasses.fields(TextClassification)}  # type: ignore[arg-type]
