"""Rows are named by what a person can search for."""

from datasets import Dataset

from pipeline.tasks.places import places_text

DATA = {
    "train": Dataset.from_dict({"text": ["short", None, "x" * 60], "label": ["a", "b", None]}),
    "test": Dataset.from_dict({"text": [" two\nlines ", "", "b"]}),
}


def test_rows_are_named_with_the_start_of_their_text() -> None:
    assert places_text({"train": [1], "test": [1]}, DATA) == (
        "row 1 of train ('short'), row 1 of test ('two …')"
    )
    assert places_text({"train": [3]}, DATA) == f"row 3 of train ('{'x' * 40} …')"


def test_rows_without_text_are_named_alone() -> None:
    assert places_text({"train": [2], "test": [2]}, DATA) == "row 2 of train, row 2 of test"
    assert places_text({"train": [2], "test": [2]}, DATA, "label") == "row 2 of train ('b'), row 2 of test"


def test_most_rows_are_only_counted() -> None:
    assert places_text({"train": [1, 2], "test": [1, 2, 3]}, DATA).endswith(
        "row 1 of test ('two …'), … (5 rows in all)"
    )
