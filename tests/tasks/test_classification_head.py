"""Labels and weights are learned from the data, and what is wrong with the data is said."""

from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from sklearn.utils.class_weight import compute_class_weight

from pipeline.errors import BadInput, Problem
from pipeline.tasks.text_classification import TextClassification


def splits(**labels: list[Any]) -> DatasetDict:
    return DatasetDict(
        {
            split: Dataset.from_dict({"text": [f"text {i}" for i in range(len(values))], "label": values})
            for split, values in labels.items()
        }
    )


def problems(data: DatasetDict, **options: Any) -> list[Problem]:
    with pytest.raises(BadInput) as raised:
        TextClassification(**options).learn(data)
    return raised.value.problems


def test_labels_and_counts() -> None:
    head = TextClassification().learn(splits(train=["b", "a", "b"], validation=["a"], test=["b", "b"]))
    assert head["labels"] == ["a", "b"]
    assert head["counts"] == {
        "train": {"a": 1, "b": 2},
        "validation": {"a": 1, "b": 0},
        "test": {"a": 0, "b": 2},
    }
    assert head["class_weights"] is None and head["class_names"] is None and head["multi_label"] is False


def test_types_of_labels_are_kept() -> None:
    assert TextClassification().learn(splits(train=[10, 9, 1]))["labels"] == [1, 9, 10]
    assert TextClassification().learn(splits(train=[True, False]))["labels"] == [False, True]
    # One split's csv column has an empty-free integer column, the other was read as floats.
    head = TextClassification().learn(splits(train=[1, 2], validation=[2.0]))
    assert head["counts"]["validation"] == {"1": 0, "2": 1}


def test_class_labels_keep_their_names_and_order() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "maybe", "ham"])})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [2, 0]}, features=features)
    head = TextClassification().learn(DatasetDict(train=rows))
    assert head["labels"] == head["class_names"] == ["no", "maybe", "ham"]
    assert head["counts"]["train"] == {"no": 1, "maybe": 0, "ham": 1}
    head = TextClassification(labels=["ham", "maybe", "no"]).learn(DatasetDict(train=rows))
    assert head["labels"] == ["ham", "maybe", "no"] and head["counts"]["train"]["ham"] == 1


def test_several_labels_as_strings_and_lists() -> None:
    task = TextClassification(multi_label=True, separator=";")
    data = splits(train=["a; b", "b", ""])
    assert task.learn(data)["labels"] == ["a", "b"]
    assert task.learn(data)["counts"]["train"] == {"a": 1, "b": 2}
    assert task.learn(splits(train=[["b"], [], ["a", "b"]]))["counts"]["train"] == {"a": 1, "b": 2}
    features = Features({"text": Value("string"), "label": List(ClassLabel(names=["x", "y"]))})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [[0, 1], [1]]}, features=features)
    assert task.learn(DatasetDict(train=rows))["counts"]["train"] == {"x": 1, "y": 2}


def test_a_label_that_training_never_shows() -> None:
    found = problems(splits(train=["good", "bad"], validation=["good", "godo"], test=["new", "bad", "new"]))
    assert [problem.where for problem in found] == ["data.columns.label"] * 2
    assert "label 'godo' of validation (row 2" in found[0].what and found[0].nearest == "good"
    assert "label 'new' of test (rows 1, 3" in found[1].what
    assert "good, bad" in found[0].allowed


def test_named_labels_fix_the_order_and_may_be_rare() -> None:
    head = TextClassification(labels=["z", "a", "m"]).learn(splits(train=["a", "z"], validation=["m"]))
    assert head["labels"] == ["z", "a", "m"]
    (problem,) = problems(splits(train=["a", "zz"]), labels=["a", "z"])
    assert (
        problem.where == "task.labels" and "'zz' of train (row 2" in problem.what and problem.nearest == "z"
    )


def test_everything_that_is_wrong_comes_at_once() -> None:
    data = splits(train=["a", None, "b", ""], validation=["a"])
    data["validation"] = Dataset.from_dict({"text": [None, "x", None], "label": ["a", "b", "a"]})
    text, label = problems(data)
    assert text.where == "data.columns.text" and "no text in validation, rows 1, 3" in text.what
    assert label.where == "data.columns.label" and "no label, in train, rows 2, 4" in label.what


def test_wrong_kinds_of_columns() -> None:
    (problem,) = problems(splits(train=[["a"], ["b"]]))
    assert "task.multi_label=true" in problem.what and "rows 1, 2" in problem.what
    found = problems(splits(train=[0.5, 1.5]))
    assert "the fraction 0.5" in found[0].what
    data = DatasetDict(train=Dataset.from_dict({"text": [1, 2], "label": ["a", "b"]}))
    (problem,) = problems(data)
    assert problem.where == "data.columns.text" and "holds int64" in problem.what
    data = DatasetDict(train=Dataset.from_dict({"text": ["a"], "text_pair": [None], "label": ["a"]}))
    assert problems(data)[0].where == "data.columns.text_pair"
    data = splits(train=["a", "b"], test=["a"])
    data["test"] = data["test"].remove_columns("label")
    assert "test has no labels" in problems(data)[0].what


def test_one_label_is_nothing_to_tell_apart() -> None:
    (problem,) = problems(splits(train=["a", "a"]))
    assert "only the label 'a'" in problem.what and problem.allowed == "at least 2 different labels"
    assert TextClassification(multi_label=True).learn(splits(train=["a", ""]))["labels"] == ["a"]


def test_unlabelled_rows_of_a_benchmark() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    hidden = Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)
    (problem,) = problems(DatasetDict(train=rows, test=hidden))
    assert "the label -1" in problem.what and "in test, row 1" in problem.what


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = ["a"] * 7 + ["b"] * 2 + ["c"]
    weights = TextClassification(class_weights="balanced").learn(splits(train=labels))["class_weights"]
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    assert weights == pytest.approx(list(expected))


def test_balanced_weights_of_several_labels_even_out_presence() -> None:
    task = TextClassification(multi_label=True, class_weights="balanced")
    assert task.learn(splits(train=["a", "a,b", "a", ""]))["class_weights"] == [1 / 3, 3.0]


def test_weights_by_label() -> None:
    head = TextClassification(class_weights={1: 2.5}).learn(splits(train=[0, 1]))
    assert head["class_weights"] == [1.0, 2.5]
    (problem,) = problems(splits(train=["spam", "ham"]), class_weights={"spma": 2.0})
    assert problem.where == "task.class_weights.spma" and problem.nearest == "spam"


def test_a_wrong_column_is_not_a_thousand_problems() -> None:
    found = problems(splits(train=[number + 0.5 for number in range(1000)]))
    assert len(found) == 6 and "995 more" in found[-1].what
    found = problems(splits(train=["a", "b"], test=[f"id {number}" for number in range(1000)]))
    assert len(found) == 6 and "995 more" in found[-1].what
