"""Forms of data are recognised by their columns, and what is wrong with rows is said with its place."""

from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from pipeline.errors import BadInput
from pipeline.tasks.embedding.rows import form_of, negatives, number_of, problems_of, texts_of


@pytest.mark.parametrize(
    ("columns", "form"),
    [
        (["id", "text", "positive"], "pairs"),
        (["text", "positive", "negative", "label"], "pairs"),
        (["text", "text_pair", "score"], "scored"),
        (["text", "text_pair", "score", "label"], "scored"),
        (["text", "label", "score"], "labelled"),
    ],
)
def test_forms(columns: list[str], form: str) -> None:
    assert form_of(columns) == form


@pytest.mark.parametrize(
    "columns", [["text"], ["text", "text_pair"], ["text", "score"], ["text", "negative"]]
)
def test_columns_that_say_nothing(columns: list[str]) -> None:
    with pytest.raises(BadInput, match="nothing says which texts are alike") as raised:
        form_of(columns)
    assert "text, positive; or text, text_pair, score; or text, label" in raised.value.problems[0].allowed


def test_texts_of_a_row() -> None:
    row = {"text": "a", "positive": "b", "text_pair": "p"}
    assert texts_of({**row, "negative": "c"}, "pairs") == ["a", "b", "c"]
    assert texts_of({**row, "negative": ["c", "d"]}, "pairs") == ["a", "b", "c", "d"]
    assert texts_of({**row, "negative": None}, "pairs") == ["a", "b"]
    assert texts_of(row, "scored") == texts_of(row, None) == ["a", "p"]
    assert texts_of({"text": "a", "text_pair": None}, None) == texts_of(row, "labelled") == ["a"]


@pytest.mark.parametrize(
    ("form", "rows", "said"),
    [
        ("pairs", {"text": ["a", None], "positive": ["b", "c"]}, "text: no text: row 2 of train"),
        (
            "pairs",
            {"text": ["猫", "قطة"], "positive": ["b", " \r\n"]},
            "positive: an empty text: row 2 of train ('قطة')",
        ),
        ("pairs", {"text": [1, 2], "positive": ["b", "c"]}, "text: int, not text: row 1 of train"),
        ("pairs", {"text": ["a"], "positive": ["b"], "negative": [["c", ""]]}, "negative: an empty text"),
        (
            "pairs",
            {"text": ["a"], "positive": ["b"], "negative": [3]},
            "negative: int, neither text nor list",
        ),
        ("scored", {"text": ["a"], "text_pair": [None], "score": [1.0]}, "text_pair: no text"),
        ("scored", {"text": ["a"], "text_pair": ["b"], "score": [float("nan")]}, "score: nan as score"),
        ("scored", {"text": ["a"], "text_pair": ["b"], "score": ["4,5"]}, "score: str, not a number"),
        ("labelled", {"text": ["a"], "label": [None]}, "label: no label"),
        ("labelled", {"text": ["a"], "label": [["x"]]}, "label: a list of labels"),
    ],
)
def test_faults(form: Any, rows: dict[str, list[Any]], said: str) -> None:
    (problem,) = problems_of(DatasetDict(train=Dataset.from_dict(rows)), form)
    assert f"{problem.where}: {problem.what}".startswith(f"data.columns.{said}")


def test_every_fault_is_told_once_with_its_places() -> None:
    good = {"text": ["a"] * 3, "positive": ["b"] * 3, "negative": [["c"], None, []]}
    bad = {"text": ["a", "", "", "b"], "positive": [None, "b", "b", None], "negative": [["c"]] * 4}
    data = DatasetDict(train=Dataset.from_dict(good), test=Dataset.from_dict(bad))
    first, second = problems_of(data, "pairs")
    assert (
        "row 2 of test, row 3 of test" in first.what
        and "row 1 of test ('a'), row 4 of test ('b')" in second.what
    )
    (third,) = (p for p in problems_of(data, "pairs", least_negatives=1) if p.where.endswith("negative"))
    assert third.what.startswith("no negative, which objective=triplet needs: row 2 of train ('a'), row 3")


def test_the_same_text_has_the_same_number_everywhere() -> None:
    """The number of 'a', from BLAKE2's definition, fits a signed 64-bit integer."""
    assert number_of("a") == 0x40F89E395B66422F >> 1 == number_of("".join(["a"]))
    assert len({number_of(text) for text in ("", "a", "A", "猫", "🐈")}) == 5
    assert all(0 <= number_of(str(n)) < 2**63 for n in range(100))


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        (None, []),
        ("one", ["one"]),
        (["a", "b"], ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("[1]", ["[1]"]),
        ("[1] Smith et al.", ["[1] Smith et al."]),
    ],
)
def test_negatives(cell: Any, texts: list[str]) -> None:
    assert negatives(cell) == texts
