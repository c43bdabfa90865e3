"""The forms in which rows hold words, tags and spans."""

from typing import Any

import pytest

from pipeline.tasks.tagging.rows import RowError, span_list, tag_names, tags_of, words_of

TOKENS = {"input": "tokens", "scheme": "bio", "names": None}
TEXT = {**TOKENS, "input": "text"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"tokens": ["New York", "."]}, ["New York", "."]),
        ({"tokens": "New York ."}, ["New", "York", "."]),
        ({"tokens": 7}, ["7"]),
        ({"tokens": '["New York", "."]'}, ["New York", "."]),
        ({"tokens": '[ "no" ]'}, ["[", '"no"', "]"]),
        ({"tokens": "[1]"}, ["[1]"]),
        ({"tokens": "[]"}, []),
        ({"text": "don't"}, ["do", "n't"]),
        ({"text": "don't", "tokens": ["x"]}, ["x"]),
    ],
)
def test_words(row: dict[str, Any], words: list[str]) -> None:
    assert words_of(row, TOKENS).list() == words


def test_a_model_of_texts_reads_texts_first() -> None:
    assert words_of({"text": "don't", "tokens": ["x"]}, TEXT).list() == ["don", "'", "t"]
    assert words_of({"tokens": ["x"]}, TEXT).list() == ["x"]


@pytest.mark.parametrize("row", [{"tokens": None}, {"tokens": ["a", None]}, {"tokens": [1]}, {"text": 3}])
def test_what_is_no_words(row: dict[str, Any]) -> None:
    with pytest.raises(RowError):
        words_of(row, TOKENS)


def test_tags() -> None:
    assert tag_names('["O", "B-X"]', None) == ["O", "B-X"] == tag_names("[0, 1]", ["O", "B-X"])
    assert tag_names("O B-X", None) == ["O", "B-X"] == tag_names([0, 1], ["O", "B-X"])
    assert tag_names([0, 1], None) == ["0", "1"] and tag_names(3, None) == ["3"] and tag_names([], None) == []
    for cell in (None, 1.5, [None], [""], [True], [["O"]]):
        with pytest.raises(RowError):
            tag_names(cell, None)
    with pytest.raises(RowError, match="none of the 2"):
        tag_names([2], ["O", "B-X"])


def test_spans() -> None:
    span = {"start": 0, "end": 1, "label": "X"}
    assert span_list([span]) == [span] == span_list('[{"start": 0, "end": 1, "label": "X"}]')
    assert span_list(None) == span_list("") == []
    for cell in ("PER", 7, '{"start": 0}'):
        with pytest.raises(RowError, match="no list of spans"):
            span_list(cell)


def test_tags_win_over_spans_unless_training_had_texts() -> None:
    row = {"tokens": ["a"], "tags": ["B-Y"], "text": "a", "spans": [{"start": 0, "end": 1, "label": "X"}]}
    assert tags_of(row, words_of(row, TOKENS), TOKENS, False) == ["B-Y"]
    assert tags_of(row, words_of(row, TEXT), TEXT, False) == ["B-X"]
