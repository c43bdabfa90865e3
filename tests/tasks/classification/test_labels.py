"""Cells of data become labels, in the order that people expect."""

from typing import Any

import pytest
from datasets import Dataset

from pipeline.data.cells import distinct
from pipeline.tasks.classification.labels import (
    LabelColumn,
    NotALabelError,
    in_order,
    one_label,
    several_labels,
)


@pytest.mark.parametrize(
    ("cell", "label"),
    [("good", "good"), (3, 3), (0, 0), (False, False), (2.0, 2), ("2.5", "2.5"), (" a ", " a ")],
)
def test_one_label(cell: Any, label: Any) -> None:
    found = one_label(cell)
    assert found == label and type(found) is type(label)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (None, "no label"),
        ("", "no label"),
        (float("nan"), "no label"),
        (0.5, "the fraction 0.5"),
        (["a"], "set task.multi_label=true"),
        ({"a": 1}, "a dict as label"),
    ],
)
def test_what_is_no_label(cell: Any, says: str) -> None:
    with pytest.raises(NotALabelError, match=says):
        one_label(cell)


def test_class_names_stand_for_their_numbers() -> None:
    assert one_label(1, ["no", "yes"]) == "yes"
    assert one_label("yes", ["no", "yes"]) == "yes"
    for number in (-1, 2):
        with pytest.raises(NotALabelError, match="none of the data set's 2 classes"):
            one_label(number, ["no", "yes"])


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a, b,,c ", ["a", "b", "c"]),
        (["a", 2], ["a", 2]),
        ("", []),
        (None, []),
        ([], []),
        (4, [4]),
        ('["a", "b, c", 2]', ["a", "b, c", 2]),
        ("[]", []),
        ("[a, b]", ["[a", "b]"]),
    ],
)
def test_several_labels(cell: Any, labels: list[Any]) -> None:
    assert several_labels(cell, ",") == labels


def test_order() -> None:
    assert in_order([10, 9, -1]) == [-1, 9, 10]
    assert in_order([True, False]) == [False, True]
    assert in_order(["class 10", "class 9", "Apple", "banana"]) == ["Apple", "banana", "class 9", "class 10"]
    assert in_order(["10", "9", "x", 3]) == [3, "9", "10", "x"]


def test_a_column_is_counted_with_its_rows() -> None:
    column = LabelColumn(distinct(Dataset.from_dict({"label": ["a", "b", None, "a", ""]}), "label"))
    assert dict(column.counts) == {"a": 2, "b": 1}
    assert [column.rows(name).tolist() for name in ("a", "b", "c")] == [[1, 4], [2], []]
    assert [rows.tolist() for _, rows in column.faults.values()] == [[3, 5]]


def test_several_labels_in_a_cell() -> None:
    cells = distinct(Dataset.from_dict({"label": ["a,b", "b", None, "b, a", "a,b"]}), "label")
    column = LabelColumn(cells, separator=",")
    assert dict(column.counts) == {"a": 3, "b": 4}
    assert column.rows("a").tolist() == [1, 4, 5] and column.rows("b").tolist() == [1, 2, 4, 5]


def test_faults_of_one_kind_are_one_fault() -> None:
    column = LabelColumn(distinct(Dataset.from_dict({"label": [0.5, 1.5, None]}), "label"))
    (message, rows), (_, empty) = column.faults.values()
    assert "the fraction 0.5" in message and rows.tolist() == [1, 2] and empty.tolist() == [3]
