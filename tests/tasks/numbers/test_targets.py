"""Numbers as they stand in data, their scale, and what is no number."""

import math
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from pipeline.errors import BadInput
from pipeline.tasks.faults import FaultError
from pipeline.tasks.numbers.targets import learn_targets, number, standardised


def data(labels: list[Any], **splits: list[Any]) -> DatasetDict:
    return DatasetDict(
        {
            name: Dataset.from_dict({"text": [f"Text {i}" for i in range(len(cells))], "label": cells})
            for name, cells in {"train": labels, **splits}.items()
        }
    )


def problems(rows: DatasetDict, *names: str) -> list[Any]:
    with pytest.raises(BadInput) as bad:
        learn_targets(names or ("label",), rows)
    return bad.value.problems


def test_facts_are_those_of_the_training_data() -> None:
    values = [0.0, 1.5, 5.0, 2.25]
    head = learn_targets(("label",), data(values, test=[100.0]))
    assert head == {
        "target_names": ["label"],
        "target_mean": [np.mean(values)],
        "target_scale": [np.std(values)],
        "target_low": [0.0],
        "target_high": [5.0],
    }
    rows = {"text": ["a"] * 4, "label": values}
    scaled = np.array(standardised(rows, head))
    assert scaled.shape == (4, 1) and scaled.mean() == pytest.approx(0) and scaled.std() == pytest.approx(1)


@pytest.mark.parametrize(("cell", "value"), [(3, 3.0), (-0.5, -0.5), ("4.5", 4.5), (" 1e2 ", 100.0)])
def test_numbers(cell: Any, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", [None, "", "n/a", "1,5", math.nan, math.inf, "nan", True, [1.0], {"a": 1}])
def test_cells_that_are_no_numbers(cell: Any) -> None:
    with pytest.raises(FaultError):
        number(cell)


def test_rows_without_numbers_are_named_by_kind() -> None:
    rows = data(["1.5", "n/a", "", "2.0"], test=["3", "bad"])
    text, empty = problems(rows)
    assert text.where == "data.columns.label"
    assert text.what == "'n/a' is no number: row 2 of train ('Text 1'), row 2 of test ('Text 1')"
    assert empty.what == "no number: row 3 of train ('Text 2')"
    [nan] = problems(data([1.0, math.nan, math.inf, 2.0]))
    assert "row 2 of train" in nan.what and "row 3 of train" in nan.what
    [several] = problems(data([[1.0, 2.0], [3.0, 4.0]]))
    assert "task.target_columns" in several.allowed


def test_nothing_to_learn_and_nothing_there() -> None:
    [constant] = problems(data([2.0, 2.0, 2.0], test=[1.0]))
    assert "all 3 rows of train have the value 2" in constant.what
    [huge] = problems(data([1e200, -1e200]))
    assert "another unit" in huge.allowed
    rows = data([1.0, 2.0])
    rows["test"] = Dataset.from_dict({"text": ["a"]})
    [missing] = problems(rows)
    assert missing.what == "test has no column 'label'"
    text = DatasetDict(train=Dataset.from_dict({"text": [None, "b"], "label": [1, 1]}))
    assert [p.where for p in problems(text)] == ["data.columns.text", "data.columns.label"]


def test_a_batch_says_what_is_no_number() -> None:
    head = learn_targets(("label",), data([1.0, 2.0]))
    with pytest.raises(BadInput, match="label: 'ß' is no number"):
        standardised({"text": ["a", "Der Zug"], "label": [1, "ß"]}, head)
