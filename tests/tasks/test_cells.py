"""Lists and objects that are written as JSON in a cell, and texts that only look like it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.prediction_files import writing
from pipeline.tasks.cells import listed, listed_texts, mapped


@pytest.mark.parametrize(
    "value", [["a", "b, c"], [], [0, 1], [{"start": 0, "end": 1, "label": "X"}], [["a"]]]
)
def test_a_list_comes_back_from_a_csv_of_predictions(value: list[Any], tmp_path: Path) -> None:
    with writing(str(tmp_path / "out.csv")) as write:
        write({"text": "x"}, {"said": value})
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert listed(row["said"]) == value


@pytest.mark.parametrize(
    "cell", ["[1] Smith et al.", "[ word ]", "[", "{", "{}", "a [1]", "['a']", None, 3, ["a"], "[" * 100_000]
)
def test_what_is_no_list_stays_as_it_is(cell: Any) -> None:
    assert listed(cell) == cell


def test_only_lists_of_texts_are_texts() -> None:
    assert listed_texts('["a"]') == ["a"] and listed_texts("[1, 2]") == "[1, 2]"


def test_an_object() -> None:
    assert mapped(json.dumps({"en": "a"})) == {"en": "a"}
    assert mapped("[1]") == "[1]" and mapped("{x}") == "{x}"
