"""Predictions of windows come back as rows, each once and as soon as it is complete."""

import pytest
from datasets import Dataset

from pipeline.training.answers import Answers

ROW_OF = [0, 1, 1, 1, 2, 2]


@pytest.fixture
def answers() -> Answers:
    raw = Dataset.from_dict({"text": ["zero", "one", "two"]})
    encoded = Dataset.from_dict({"row": ROW_OF, "start": [10 * n for n in range(len(ROW_OF))]})
    return Answers(raw, encoded)


def test_a_row_is_given_up_when_its_last_feature_is_there(answers: Answers):
    assert answers.add([2, 4], ["c", "e"]) == ([], [])
    numbers, found = answers.add([3, 0], ["d", "a"])
    assert numbers == [0] and found[0].row == {"text": "zero"} and found[0].predictions == ["a"]
    numbers, (one,) = answers.add([1], ["b"])
    assert numbers == [1] and one.row["text"] == "one"
    # In the order of the text, whatever the order they came in.
    assert one.predictions == ["b", "c", "d"]
    assert [feature["start"] for feature in one.features] == [10, 20, 30]


def test_nothing_is_held_of_rows_that_are_complete(answers: Answers):
    numbers = [number for batch in ([5, 0], [1, 2], [3, 4]) for number in answers.add(batch, batch)[0]]
    assert sorted(numbers) == [0, 1, 2] and not answers._pending
