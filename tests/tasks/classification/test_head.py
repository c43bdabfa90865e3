"""Labels and weights are learned from the data, and what is wrong with the data is said."""

from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from sklearn.utils.class_weight import compute_class_weight

from pipeline.errors import BadInput, Problem
from pipeline.tasks.text_classification import TextClassification
from tests.tasks.parts import NO_MODEL


def splits(**labels: list[Any]) -> DatasetDict:
    return DatasetDict(
        {
            split: Dataset.from_dict({"text": [f"text {i}" for i in range(len(values))], "label": values})
            for split, values in labels.items()
        }
    )


def problems(data: DatasetDict, **options: Any) -> list[Problem]:
    with pytest.raises(BadInput) as raised:
        TextClassification(**options).learn(data, NO_MODEL)
    return raised.value.problems


def test_labels_and_counts() -> None:
    head = TextClassification().learn(
        splits(train=["b", "a", "b"], validation=["a"], test=["b", "b"]), NO_MODEL
    )
    assert head["labels"] == ["a", "b"]
    assert head["counts"] == {
        "train": {"a": 1, "b": 2},
        "validation": {"a": 1, "b": 0},
        "test": {"a": 0, "b": 2},
    }
    assert head["class_weights"] is None and head["class_names"] is None and head["multi_label"] is False


def test_types_of_labels_are_kept() -> None:
    assert TextClassification().learn(splits(train=[10, 9, 1]), NO_MODEL)["labels"] == [1, 9, 10]
    assert TextClassification().learn(splits(train=[True, False]), NO_MODEL)["labels"] == [False, True]
    # One split's csv column has an empty-free integer column, the other was read as floats.
    head = TextClassification().learn(splits(train=[1, 2], validation=[2.0]), NO_MODEL)
    assert head["counts"]["validation"] == {"1": 0, "2": 1}


def test_class_labels_keep_their_names_and_order() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "maybe", "ham"])})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [2, 0]}, features=features)
    head = TextClassification().learn(DatasetDict(train=rows), NO_MODEL)
    assert head["labels"] == head["class_names"] == ["no", "maybe", "ham"]
    assert head["counts"]["train"] == {"no": 1, "maybe": 0, "ham": 1}
    head = TextClassification(labels=["ham", "maybe", "no"]).learn(DatasetDict(train=rows), NO_MODEL)
    assert head["labels"] == ["ham", "maybe", "no"] and head["counts"]["train"]["ham"] == 1


def test_several_labels_as_strings_and_lists() -> None:
    task = TextClassification(multi_label=True, separator=";")
    data = splits(train=["a; b", "b", ""])
    assert task.learn(data, NO_MODEL)["labels"] == ["a", "b"]
    assert task.learn(data, NO_MODEL)["counts"]["train"] == {"a": 1, "b": 2}
    assert task.learn(splits(train=[["b"], [], ["a", "b"]]), NO_MODEL)["counts"]["train"] == {"a": 1, "b": 2}
    features = Features({"text": Value("string"), "label": List(ClassLabel(names=["x", "y"]))})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [[0, 1], [1]]}, features=features)
    assert task.learn(DatasetDict(train=rows), NO_MODEL)["counts"]["train"] == {"x": 1, "y": 2}


def test_a_label_that_training_never_shows() -> None:
    found = problems(splits(train=["good", "bad"], validation=["good", "godo"], test=["new", "bad", "new"]))
    assert [problem.where for problem in found] == ["data.columns.label"] * 2
    assert "label 'godo' never occurs in the training data" in found[0].what and found[0].nearest == "good"
    assert "row 2 of validation ('text 1')" in found[0].what
    assert "label 'new'" in found[1].what and "row 1 of test ('text 0'), row 3 of test" in found[1].what
    assert "good, bad" in found[0].allowed


def test_named_labels_fix_the_order_and_may_be_rare() -> None:
    head = TextClassification(labels=["z", "a", "m"]).learn(
        splits(train=["a", "z"], validation=["m"]), NO_MODEL
    )
    assert head["labels"] == ["z", "a", "m"]
    (problem,) = problems(splits(train=["a", "zz"]), labels=["a", "z"])
    assert problem.where == "task.labels" and "'zz'" in problem.what and "row 2 of train" in problem.what
    assert problem.nearest == "z"


def test_a_label_too_rare_for_every_split() -> None:
    (problem,) = problems(splits(train=["a", "b"] * 5, validation=["unique", "a"], test=["b"]))
    assert "all of the data has only 1 row of it: row 1 of validation ('text 0')" in problem.what
    assert "data.split.seed" in problem.allowed and "task.labels=[…]" in problem.allowed
    (problem,) = problems(splits(train=["a", "b"] * 5, validation=["c"] * 9))
    assert "only" not in problem.what and "… (9 rows in all)" in problem.what


def test_labels_that_only_other_splits_have() -> None:
    (problem,) = problems(splits(train=["Küche"], validation=["Bad"], test=["Flur"]))
    assert "only the label 'Küche', in 1 row; validation has 'Bad'; test has 'Flur'" in problem.what
    assert "smaller data.split.validation" in problem.allowed


def test_everything_that_is_wrong_comes_at_once() -> None:
    data = splits(train=["a", None, "b", ""], validation=["a"])
    data["validation"] = Dataset.from_dict({"text": [None, "x", None], "label": ["a", "b", "a"]})
    text, label = problems(data)
    assert (
        text.where == "data.columns.text"
        and "row 1 of validation ('a'), row 3 of validation ('a')" in text.what
    )
    assert label.where == "data.columns.label" and label.what.startswith("no label: row 2 of train")
    assert "row 4 of train ('text 3')" in label.what and "within their split" in label.allowed


def test_a_fault_is_one_problem_wherever_it_is() -> None:
    (problem,) = problems(splits(train=[0.5, 1.5], validation=[2.5], test=[3.5]))
    assert "the fraction 0.5" in problem.what and "row 1 of validation" in problem.what
    (problem,) = problems(splits(train=["a", None], validation=[None, "b"]))
    assert "row 2 of train ('text 1'), row 1 of validation ('text 0')" in problem.what
    data = splits(train=["a", "b"], test=["a", "b"])
    data = DatasetDict({name: rows.add_column("text_pair", ["x", None]) for name, rows in data.items()})
    (problem,) = problems(data)
    assert "row 2 of train ('text 1'), row 2 of test ('text 1')" in problem.what


def test_wrong_kinds_of_columns() -> None:
    (problem,) = problems(splits(train=[["a"], ["b"]]))
    assert "task.multi_label=true" in problem.what and "row 1 of train ('text 0'), row 2" in problem.what
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
    assert TextClassification(multi_label=True).learn(splits(train=["a", ""]), NO_MODEL)["labels"] == ["a"]
    (problem,) = problems(splits(train=["a", "b"]), labels=["a"])
    assert problem.where == "task.labels" and problem.what == "has only a"


def test_unlabelled_rows_of_a_benchmark() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    hidden = Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)
    (problem,) = problems(DatasetDict(train=rows, test=hidden))
    assert "the label -1" in problem.what and "row 1 of test ('a')" in problem.what


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = ["a"] * 7 + ["b"] * 2 + ["c"]
    weights = TextClassification(class_weights="balanced").learn(splits(train=labels), NO_MODEL)[
        "class_weights"
    ]
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    assert weights == pytest.approx(list(expected))


def test_balanced_weights_of_several_labels_even_out_presence() -> None:
    task = TextClassification(multi_label=True, class_weights="balanced")
    assert task.learn(splits(train=["a", "a,b", "a", ""]), NO_MODEL)["class_weights"] == [1 / 3, 3.0]


def test_weights_by_label() -> None:
    head = TextClassification(class_weights={1: 2.5}).learn(splits(train=[0, 1]), NO_MODEL)
    assert head["class_weights"] == [1.0, 2.5]
    (problem,) = problems(splits(train=["spam", "ham"]), class_weights={"spma": 2.0})
    assert problem.where == "task.class_weights.spma" and problem.nearest == "spam"


def test_a_wrong_column_is_not_a_thousand_problems() -> None:
    (problem,) = problems(splits(train=[number + 0.5 for number in range(1000)]))
    assert "1,000 rows in all" in problem.what
    found = problems(splits(train=["a", "b"], test=[f"id {number}" for number in range(1000)]))
    assert len(found) == 4 and "997 more" in found[-1].what and "data.columns.label" in found[-1].allowed


def test_data_that_is_only_scored_is_not_called_training_data() -> None:
    rows = DatasetDict(train=Dataset.from_dict({"text": ["a", "b"], "label": ["x", "x"]}))
    for task, said in (
        (TextClassification(train=False), "the data has only the label 'x'"),
        (TextClassification(), "the training data has only the label 'x'"),
    ):
        with pytest.raises(BadInput, match=said):
            task.learn(rows, NO_MODEL)
