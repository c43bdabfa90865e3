"""Rows that are refused, and options that no row could go with."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.data.refused import Refused, refused_rows
from pipeline.errors import BadInput, Problem

OPTION = Problem("task.max_length", "600 does not suit the model", "3 to 512")
COLUMN = Problem("data.columns.text", "no text", "a text")


def found(words: list[str], problem: Problem) -> list[Refused]:
    def encode(batch: Mapping[str, list[Any]]) -> None:
        if "bad" in batch["text"]:
            raise BadInput(problem)

    return refused_rows(BadInput(problem), {"text": words}, encode, "train", start=10)


@pytest.mark.parametrize("problem", [OPTION, COLUMN])
def test_rows_are_told_by_their_numbers(problem: Problem) -> None:
    assert found(["good", "bad", "bad"], problem) == [Refused("train", row, problem) for row in (12, 13)]
    assert found(["bad"], problem) == [Refused("train", 11, problem)]


def test_an_option_that_no_row_goes_with_is_told_without_them() -> None:
    with pytest.raises(BadInput) as raised:
        found(["bad"] * 3, OPTION)
    assert raised.value.problems == [OPTION]
    assert len(found(["bad"] * 3, COLUMN)) == 3


def test_what_is_wrong_with_all_of_them_together() -> None:
    with pytest.raises(BadInput) as raised:
        found(["good", "good"], COLUMN)
    assert raised.value.problems == [COLUMN]
