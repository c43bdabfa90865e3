"""Columns as numbers are the columns, however their rows are chosen."""

import numpy as np
import pytest
from datasets import Dataset

from pipeline.data import cells
from pipeline.data.cells import distinct, numbered, without_value

COLUMNS = {
    "words": ["b", None, "a", "b", "", "c", None, "a"],
    "numbers": [3, 1, None, 3, 2, 1, 1, 3],
    "fractions": [0.5, float("nan"), None, 1.0, 0.5, float("nan"), -0.0, 0.0],
    "flags": [True, False, None, True, True, False, True, None],
    "lists": [["a"], ["a", "b"], None, [], ["a"], ["b"], ["a", "b"], []],
    "objects": [{"x": 1}, {"x": None}, {"x": 1}, {"x": 2}, None, {"x": 2}, {"x": 1}, {"x": 1}],
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("chosen", [None, range(2, 7), [7, 5, 1, 6, 2], [3, 3, 0]])
def test_values_and_codes_are_those_of_a_dictionary(column, chosen, monkeypatch) -> None:
    monkeypatch.setattr(cells, "CHUNK", 3)
    rows = Dataset.from_dict(COLUMNS)
    rows = rows if chosen is None else rows.select(chosen)
    found, expected = distinct(rows, column), list(map(repr, rows[column][:]))
    assert list(map(repr, found.values)) == list(dict.fromkeys(expected))
    assert [repr(found.values[code]) for code in found.codes] == expected
    assert found.codes.dtype == np.int32
    assert found.counts().tolist() == [expected.count(name) for name in dict.fromkeys(expected)]
    assert found.rows(0).tolist() == [i for i, name in enumerate(expected) if name == expected[0]]


@pytest.mark.parametrize("chosen", [None, [7, 6, 1, 2]])
def test_rows_without_a_value(chosen) -> None:
    rows = Dataset.from_dict(COLUMNS)
    rows = rows if chosen is None else rows.select(chosen)
    for column in COLUMNS:
        assert without_value(rows, column).tolist() == [i for i, x in enumerate(rows[column][:]) if x is None]


def test_cells_are_numbered_from_1_over_all_chunks(monkeypatch) -> None:
    monkeypatch.setattr(cells, "CHUNK", 3)
    rows = Dataset.from_dict(COLUMNS)
    assert list(numbered(rows, "words")) == list(enumerate(COLUMNS["words"], start=1))
