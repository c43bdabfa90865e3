"""Which head a model gets: what is asked for, what the checkpoint has, or what suits it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict

from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.pooled_head import head_of_text, head_of_tokens
from pipeline.tasks.regression import Regression
from pipeline.tasks.token_classification import TokenClassification
from tests.models import families

FILES = ["data=files", "data.train=a.csv"]
OWN = {"pooling": "max", "head_layers": [4], "head_dropout": 0.1}


def config(family: str, folder: Path, auto: str = "AutoModel") -> Any:
    written = families.with_head(family, auto, folder / family)
    return Checkpoint(checkpoint=written).config(written)


@pytest.mark.parametrize(
    ("family", "auto", "expected"),
    [
        ("bert", "AutoModelForMaskedLM", "mean"),
        ("xlnet", "AutoModel", "mean"),
        ("bert", "AutoModelForSequenceClassification", None),  # It has a head of its own.
        ("gpt2", "AutoModelForCausalLM", None),  # transformers reads its last token.
        ("t5", "AutoModelForSeq2SeqLM", None),
        ("bart", "AutoModel", None),
    ],
)
def test_what_suits_a_model(family: str, auto: str, expected: str | None, tmp_path: Path) -> None:
    found = head_of_text(config(family, tmp_path, auto), "auto", [], None)
    assert (found or {}).get("pooling") == expected


def test_a_checkpoint_may_say_what_suits_it(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "bert")
    (tmp_path / "bert/1_Pooling").mkdir()
    (tmp_path / "bert/1_Pooling/config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    found = head_of_text(Checkpoint(checkpoint=folder).config(folder), "auto", [], None)
    assert found == {"pooling": "cls", "head_layers": [], "head_dropout": None}


def test_hidden_layers_ask_for_a_pooling(tmp_path: Path) -> None:
    bert, gpt2 = config("bert", tmp_path), config("gpt2", tmp_path)
    assert head_of_text(bert, None, [], None) is None
    assert head_of_text(bert, None, [8], None) == {
        "pooling": "mean",
        "head_layers": [8],
        "head_dropout": None,
    }
    assert head_of_text(gpt2, None, [], 0.2) == {"pooling": "last", "head_layers": [], "head_dropout": 0.2}
    assert head_of_text(gpt2, "max", [], None) == {"pooling": "max", "head_layers": [], "head_dropout": None}
    assert head_of_tokens(bert, [], None) is None
    assert head_of_tokens(bert, [8], 0.0) == {"pooling": None, "head_layers": [8], "head_dropout": 0.0}


def test_a_checkpoint_keeps_its_own_head_unless_another_is_asked_for(tmp_path: Path) -> None:
    bert = config("bert", tmp_path)
    bert.pooled_head, bert.architectures = OWN, ["PooledForSequenceClassification"]
    assert head_of_text(bert, None, [], None) == head_of_text(bert, "auto", [], None) == OWN
    assert head_of_text(bert, "mean", [], None) != OWN
    assert head_of_tokens(bert, [], None) is None, "that one is no tagger's"


def test_wrong_values_are_refused() -> None:
    with pytest.raises(BadInput) as raised:
        load(compose([*FILES, "task.pooling=maen", "task.head_layers=[0]", "task.head_dropout=1"]))
    found = {problem.where: problem for problem in raised.value.problems}
    assert found["task.pooling"].nearest == "mean"
    assert {"task.pooling", "task.head_dropout"} < found.keys() and len(found) == 3


def test_a_model_that_is_nothing_without_its_head_is_refused() -> None:
    with pytest.raises(BadInput, match="model=bart_base has no backbone whose tokens could be read"):
        load(compose([*FILES, "model=bart_base", "task.pooling=mean"]))


def test_the_strategy_says_what_suits_it() -> None:
    def pooling(*overrides: str) -> Any:
        return load(compose([*FILES, *overrides])).task.pooling  # type: ignore[attr-defined]

    assert pooling("strategy=lora") is None
    assert pooling("strategy=frozen_backbone", "task=regression") == "auto"
    assert pooling("strategy=frozen_backbone", "task.pooling=null") is None


def learned(task: Any, folder: str, rows: dict[str, Any]) -> Any:
    """Head facts, model and a batch of all rows."""
    checkpoint = Checkpoint(checkpoint=folder)
    facts = task.learn(DatasetDict(train=Dataset.from_dict(rows)), checkpoint.config(folder))
    model, _ = task.load(checkpoint, folder, facts)
    tokenizer = checkpoint.tokenizer(folder)
    features = task.encode(rows, tokenizer, facts)
    examples = [{n: v[i] for n, v in features.items()} for i in range(len(features["length"]))]
    return facts, model, task.collate(examples, tokenizer)


def test_a_tagger_with_hidden_layers(tmp_path: Path) -> None:
    task = TokenClassification(head_layers=[8], scheme="none")
    rows = {"tokens": [["a", "good", "film"], ["bad"]], "tags": [["D", "A", "N"], ["A"]]}
    facts, model, batch = learned(task, families.pretrained("bert", tmp_path), rows)
    assert task.describe(facts)["head"] == "hidden layers 8"
    output = task.loss(model, batch)
    torch.testing.assert_close(
        output.loss / output.weight, model(**task.forward_inputs(batch), labels=batch["labels"]).loss
    )
    assert [len(said[0]) for said in task.predict(model, batch)] == [3, 1]
    assert model.config.id2label == {0: "A", 1: "D", 2: "N"}


def test_a_regression_that_pools(tmp_path: Path) -> None:
    task = Regression(pooling="attention", head_layers=[8])
    rows = {"text": ["a good film", "bad"], "label": [4.0, 1.0]}
    facts, model, batch = learned(task, families.pretrained("bert", tmp_path), rows)
    assert task.describe(facts)["head"] == "attention pooling, hidden layers 8"
    output = task.loss(model, batch)
    torch.testing.assert_close(output.loss / output.weight, model(**batch).loss)
    assert model.config.problem_type == "regression" and model.config.target_mean == facts["target_mean"]
