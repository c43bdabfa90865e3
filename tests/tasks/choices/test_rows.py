"""Choices and labels in the ways that data sets write them, and what cannot be read."""

import json
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from pipeline.errors import BadInput
from pipeline.tasks.choices.rows import (
    Choices,
    label_as_in_data,
    learn_choices,
    read_columns,
    read_list,
    right_choice,
)
from pipeline.tasks.faults import FaultError

FOUR = Choices(["ja", "nein", "猫", "نعم"])


def data(labels: list[Any], choices: list[Any] | None = None, **columns: list[Any]) -> DatasetDict:
    made = {
        "context": [f"Satz {i}" for i in range(len(labels))],
        "choices": choices or [["a b", "b c", "c d"]] * len(labels),
        "label": labels,
    }
    return DatasetDict(train=Dataset.from_dict({**made, **columns}))


def problems(*args: Any, **options: Any) -> list[Any]:
    with pytest.raises(BadInput) as bad:
        learn_choices(*args, **{"columns": None, "label_is": None, **options})
    return bad.value.problems


def test_lists() -> None:
    assert read_list(["a", "b"]) == Choices(["a", "b"])
    assert read_list('["Küche", "🐈"]') == Choices(["Küche", "🐈"])
    named = {"text": ["a", "b"], "label": ["1", "2"]}
    assert read_list(named) == read_list(json.dumps(named)) == Choices(["a", "b"], ["1", "2"])
    assert read_columns(["a", "b", None, ""]) == Choices(["a", "b"])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "None is no list"),
        ("a, b", "'a, b' is no list"),
        ('"a"', "'a' is no list"),
        ({"a": 1}, "is no list"),
        (["a"], "one choice only"),
        ([], "no choices"),
        (["a", " "], "an empty choice"),
        (["a", None], "None is no text"),
        ([1, 2], "1 is no text"),
        ({"text": ["a", "b"], "label": ["x"]}, "2 choices with the names"),
    ],
)
def test_what_is_no_list_of_choices(cell: Any, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        read_list(cell)


@pytest.mark.parametrize(
    ("cells", "said"),
    [(["a", None, "b"], "an empty choice before"), (["a", ""], "one choice"), (["a", 3], "3 is no")],
)
def test_what_are_no_columns_of_choices(cells: Any, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        read_columns(cells)


@pytest.mark.parametrize(
    ("cell", "kind", "choice"),
    [
        (0, "number", 0),
        (3.0, "number", 3),
        ("3", "number", 3),
        (4, "number_from_1", 3),
        ("B", "letter", 1),
        ("b", "letter", 1),
        ("猫", "text", 2),
    ],
)
def test_labels(cell: Any, kind: Any, choice: int) -> None:
    assert right_choice(cell, FOUR, kind) == choice


def test_labels_in_numbers_that_are_texts_and_in_names() -> None:
    numbers = Choices(["2", "10", "7"])
    assert right_choice(10, numbers, "text") == 1
    assert right_choice(2, numbers, "number") == 2
    named = Choices(["a", "b"], ["1", "2"])
    assert right_choice("1", named, "name") == right_choice(1, named, "name") == 0


@pytest.mark.parametrize(
    ("cell", "kind", "said"),
    [
        (4, "number", "the label 4 is none of 4 choices"),
        (-1, "number", "the label -1"),
        (0, "number_from_1", "the label 0"),
        (1.5, "number", "1.5"),
        (True, "number", "True"),
        (None, "number", "no label"),
        (float("nan"), "number", "no label"),
        ("", "letter", "no label"),
        ("E", "letter", "'E'"),
        ("ne", "text", "'ne' is none of ja, nein"),
    ],
)
def test_labels_that_mean_no_choice(cell: Any, kind: Any, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        right_choice(cell, FOUR, kind)


def test_a_text_that_is_there_twice_is_no_label() -> None:
    with pytest.raises(FaultError, match="the text of several choices"):
        right_choice("a", Choices(["a", "a", "b"]), "text")


@pytest.mark.parametrize("kind", ["number", "number_from_1", "letter", "text"])
def test_a_label_said_is_a_label_read(kind: Any) -> None:
    for number in range(4):
        assert right_choice(label_as_in_data(number, FOUR, kind), FOUR, kind) == number


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, 2, 1], "number"),
        (["0", "2", "1"], "number"),
        (["A", "c", "B"], "letter"),
        (["b c", "a b", "c d"], "text"),
    ],
)
def test_how_labels_are_given_is_found(labels: Any, kind: str) -> None:
    head = learn_choices(data(labels), None, None)
    assert head == {"label_is": kind, "fewest": 3, "most": 3, "chance": pytest.approx(1 / 3)}


def test_names_and_different_numbers_of_choices() -> None:
    choices = [{"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, {"text": ["x", "y"], "label": ["A", "B"]}]
    head = learn_choices(data(["3", "B"], [json.dumps(cell) for cell in choices]), None, None)
    assert head == {"label_is": "name", "fewest": 2, "most": 3, "chance": pytest.approx((1 / 3 + 1 / 2) / 2)}


def test_labels_that_could_mean_two_choices_are_asked_about() -> None:
    rows = data(["1", "0"], [["0", "1"], ["1", "0"]])
    [found] = problems(rows)
    assert "row 2 of train" in found.what and "task.label_is=number or task.label_is=text" in found.allowed
    assert learn_choices(rows, None, "text")["label_is"] == "text"


def test_counting_from_one_is_suggested_not_guessed() -> None:
    rows = data([1, 3, 2])
    [found] = problems(rows)
    assert found.what == "the label 3 is none of 3 choices: row 2 of train ('Satz 1')"
    assert "task.label_is=number_from_1" in found.allowed
    assert learn_choices(rows, None, "number_from_1")["label_is"] == "number_from_1"


def test_everything_that_is_wrong_is_said_together() -> None:
    rows = data([0, -1, 0, 7], ['["a", "b"]', '["a", "b"]', "a", '["a"]'], question=["", None, "c", "d"])
    rows["test"] = Dataset.from_dict({"context": [None], "choices": ['["a", "b"]'], "label": [1]})
    found = {problem.where + ": " + problem.what for problem in problems(rows)}
    assert found == {
        "data.columns.choices: 'a' is no list: row 3 of train ('Satz 2')",
        "data.columns.choices: one choice only: row 4 of train ('Satz 3')",
        "data.columns.context: no text: row 1 of test",
        "data.columns.label: the label -1 is none of 2 choices: row 2 of train ('Satz 1')",
    }
