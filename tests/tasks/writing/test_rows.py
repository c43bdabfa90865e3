import pytest
from datasets import Dataset

from pipeline.tasks.writing.rows import Blank, check_rows, references, rows_of, sample, source_text

READ = {"source": lambda row: source_text(row["source"]), "target": lambda row: references(row["target"])}


def test_rows_of_columns() -> None:
    assert list(rows_of({"a": [1, 2], "b": "xy"})) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("one", ["one"]),
        (["a", "b"], ["a", "b"]),
        ("\u200f", ["\u200f"]),
        ('["a", "b"]', ["a", "b"]),
        ("[1] Smith", ["[1] Smith"]),
        ("[1, 2]", ["[1, 2]"]),
        ("[]", ["[]"]),
        ('{"a": 1}', ['{"a": 1}']),
        (['["a"]'], ['["a"]']),
        ("[", ["["]),
    ],
)
def test_references(cell: object, texts: list[str]) -> None:
    assert references(cell) == texts


@pytest.mark.parametrize("cell", [None, "", " \r\n", [], ["a", ""], ["a", None], 5, float("nan")])
def test_no_references(cell: object) -> None:
    with pytest.raises(ValueError, match="has no text"):
        references(cell)


def test_an_empty_source_is_not_one_that_is_not_there() -> None:
    with pytest.raises(Blank):
        source_text(" ")
    for cell in (None, 3):
        with pytest.raises(ValueError, match="has no text") as raised:
            source_text(cell)
        assert not isinstance(raised.value, Blank)


def test_all_bad_rows_of_all_splits_are_named() -> None:
    train = Dataset.from_dict({"source": ["a", "", "c"], "target": ["x", "y", " "], "other": [1, 2, 3]})
    test = Dataset.from_dict({"source": ["d", "e"], "target": ["", "z"]})
    problems = check_rows({"train": train, "test": test}, READ, ["source", "target"])
    assert [(problem.where, problem.what) for problem in problems] == [
        ("data.columns.source", "has no text in row 2 of train"),
        ("data.columns.target", "has no text in row 3 of train ('c'), row 1 of test ('d')"),
    ]


def test_a_sample_is_from_all_over_the_rows() -> None:
    rows = Dataset.from_dict({"source": [str(i) for i in range(2_500)], "other": [0] * 2_500})
    found = sample(rows, ["source", "target"], lambda row: row["source"])
    assert found[:2] == ["0", "2"] and len(found) == 1_250
