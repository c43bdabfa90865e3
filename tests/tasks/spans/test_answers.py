"""The forms in which data holds answers, read alike."""

from typing import Any

import pytest

from pipeline.tasks.spans.answers import AnswerError, read_answers

CONTEXT = "北京 is the capital; Oslo, Oslo 👍 not"


@pytest.mark.parametrize(
    "cell",
    [
        {"text": ["Oslo"], "answer_start": [19]},
        {"text": "Oslo", "answer_start": 19},
        {"text": ["Oslo"], "start": [19]},
        [{"text": "Oslo", "start": 19}],
        [{"text": "Oslo", "answer_start": 19}],
        ["Oslo"],
        "Oslo",
        {"text": ["Oslo"], "answer_start": []},
        {"text": ["Oslo"], "answer_start": None},
        '{"text": ["Oslo"], "answer_start": [19]}',
        '[{"text": "Oslo", "start": 19}]',
        '["Oslo"]',
    ],
)
def test_one_answer(cell: Any) -> None:
    (answer,) = read_answers(cell, CONTEXT)
    assert (answer.text, answer.start, answer.end) == ("Oslo", 19, 23)
    assert CONTEXT[answer.start : answer.end] == "Oslo"


@pytest.mark.parametrize(
    "cell",
    [
        None,
        "",
        "  ",
        [],
        {"text": [], "answer_start": []},
        {"text": None},
        [""],
        float("nan"),
        {"text": ""},
        "[]",
        '{"text": [], "answer_start": []}',
    ],
)
def test_no_answer(cell: Any) -> None:
    assert read_answers(cell, CONTEXT) == []


def test_what_stands_in_the_context_is_an_answer_whatever_it_looks_like() -> None:
    (answer,) = read_answers('["Oslo"]', 'call f(["Oslo"])')
    assert answer.text == '["Oslo"]' and answer.start == 7


def test_several_answers() -> None:
    found = read_answers({"text": ["Oslo", "北京", "Oslo, Oslo 👍"], "answer_start": [25, 0, 19]}, CONTEXT)
    assert [(answer.start, answer.end) for answer in found] == [(25, 29), (0, 2), (19, 31)]
    assert read_answers("Oslo", CONTEXT)[0].occurs == 2


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("Bergen", "'Bergen' is not in the context"),
        ("oslo", "which has 'Oslo'"),
        ({"text": ["Oslo"], "answer_start": [18]}, "not at 18, where ' Osl' is; it begins at 19"),
        ({"text": ["Oslo"], "answer_start": [-1]}, "not at -1"),
        ({"text": ["Oslo"], "answer_start": [99]}, "not at 99"),
        ({"text": ["Oslo"], "answer_start": ["21"]}, "not at 21"),
        ({"text": ["Oslo", "not"], "answer_start": [19]}, "2 texts and 1 starts"),
        ({"answer": "Oslo"}, "has no text"),
        (True, "True is no answer"),
    ],
)
def test_what_is_no_answer(cell: Any, what: str) -> None:
    with pytest.raises(AnswerError, match=what):
        read_answers(cell, CONTEXT)
