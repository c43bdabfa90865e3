"""Rows that cannot be read, among others that can."""

from typing import Any

import pytest

from pipeline.errors import BadInput, Problem
from pipeline.launch.unanswered import Unanswered, readable


def encode(batch: Any) -> dict[str, list[Any]]:
    """Refuses a batch with an empty text in it, as tasks do: without saying which row."""
    if "" in batch["text"]:
        raise BadInput(Problem("data.columns.text", "is empty", "a text"))
    if "all" in batch["text"]:
        raise BadInput(Problem("task.prompt", "is too long"))
    return {"input_ids": [len(text) for text in batch["text"]]}


def test_others_are_read() -> None:
    faults = {0: Problem("input", "has no text")}
    places, encoded = readable({"text": [None, "", "film", "", "a"]}, faults, 5, encode)
    assert places == [2, 4] and encoded == {"input_ids": [4, 1]} and sorted(faults) == [0, 1, 3]
    told = Unanswered()
    told.add(faults, 10)
    assert told.told().splitlines() == [
        "warning: 3 rows have an error instead of a prediction:",
        "  input row 11: has no text",
        "  input row 12: is empty (data.columns.text)",
        "  input row 14: is empty (data.columns.text)",
    ]


def test_what_is_wrong_with_the_task_is_no_matter_of_rows() -> None:
    with pytest.raises(BadInput, match="too long"):
        readable({"text": ["all", "film"]}, {}, 2, encode)


def test_a_few_of_many_are_named() -> None:
    told = Unanswered()
    for done in (0, 4):
        told.add({place: Problem("input", "is empty") for place in range(4)}, done)
    assert told.told().splitlines()[-2:] == ["  input row 5: is empty", "  … and 3 more"]
    assert [problem.where for problem in told.refusal().problems][-2:] == ["input row 5", "input"]
