"""Every form of data gives the same messages, and every fault is told with its rows."""

import json
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from pipeline.errors import BadInput
from pipeline.tasks.conversation.rows import FORMS, Fault, check_all, conversation, form_of

EXPECTED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4"},
]
SHARED = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "2 + 2?"},
    {"from": "gpt", "value": "4"},
]
ROWS: dict[str, dict[str, Any]] = {
    "messages": {"messages": EXPECTED},
    "sharegpt": {"conversations": SHARED},
    "alpaca": {"instruction": "2 + 2?", "input": "", "output": "4", "system": "Be brief."},
    "prompt_response": {"prompt": "2 + 2?", "response": "4", "system": "Be brief."},
}


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


@pytest.mark.parametrize("form", ROWS)
def test_each_form_gives_the_messages(form: str) -> None:
    assert form_of(list(ROWS[form]), None) == form
    assert conversation(ROWS[form], form) == EXPECTED
    assert conversation(ROWS[form], form, answered=False) == EXPECTED[:2]


def test_every_form_is_tried() -> None:
    assert set(ROWS) == set(FORMS)


@pytest.mark.parametrize("form", ["messages", "sharegpt"])
def test_lists_may_be_json_text(form: str) -> None:
    (column,) = ROWS[form]
    assert conversation({column: json.dumps(ROWS[form][column])}, form) == EXPECTED


def test_alpaca_input_follows_the_instruction() -> None:
    row = {"instruction": "Add.", "input": "2 and 2", "output": "4"}
    assert conversation(row, "alpaca")[0]["content"] == "Add.\n\n2 and 2"
    assert conversation({**row, "input": None}, "alpaca")[0]["content"] == "Add."


def test_content_in_parts_and_null_fields() -> None:
    parts = [{"type": "text", "text": "2 +"}, {"type": "text", "text": " 2?"}]
    messages = [{"role": "user", "content": parts, "name": None}, {"role": "assistant", "content": "4"}]
    assert conversation({"messages": messages}, "messages") == EXPECTED[1:]


def test_line_ends_are_unified_and_the_rest_is_left_alone() -> None:
    row = {"prompt": " zwei\r\nZeilen\n", "response": "\t好的 🙂\r\n"}
    assert [turn["content"] for turn in conversation(row, "prompt_response")] == [
        " zwei\nZeilen\n",
        "\t好的 🙂\n",
    ]


def test_the_system_prompt_is_only_for_conversations_without_one() -> None:
    assert conversation(ROWS["messages"], "messages", "Other.") == EXPECTED
    plain = {"messages": EXPECTED[1:]}
    assert conversation(plain, "messages", "Other.")[0] == {"role": "system", "content": "Other."}


def test_what_follows_the_last_answer_is_left_out() -> None:
    row = {"messages": turns("a", "b", "c")}
    assert conversation(row, "messages") == turns("a", "b")
    assert conversation(row, "messages", answered=False) == turns("a", "b", "c")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"messages": []}, "has no turns"),
        ({"messages": turns("a")}, "has no turn of the assistant"),
        (
            {"messages": [*turns("a", "b"), *turns("c")[:1], *turns("d")]},
            "turn 4 is the user's, where the assistant",
        ),
        ({"messages": [EXPECTED[2], EXPECTED[1]]}, "turn 1 is the assistant's, where the user's is due"),
        ({"messages": [*turns("a", "b"), EXPECTED[0]]}, "turn 3 is the system's"),
        ({"messages": [{"role": "bot", "content": "a"}]}, "turn 1 is of 'bot'"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "turn 1 is of 'tool'"),
        ({"messages": [{"role": ["x"], "content": "a"}]}, r"turn 1 is of \['x'\]"),
        ({"messages": turns("a", " \n ")}, r"turn 2 \(assistant\) is empty"),
        ({"messages": turns("", "b")}, r"turn 1 \(user\) is empty"),
        ({"messages": [{"role": "user", "content": 3}]}, "is no text, but 3"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "parts that are no text"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}]}, "calls tools"),
        ({"messages": ["a"]}, "turn 1 is 'a'"),
        ({"messages": "hello"}, "messages is not JSON"),
        ({"messages": "3"}, "messages holds no list of turns, but 3"),
        ({"messages": None}, "messages holds no list of turns, but None"),
    ],
)
def test_faults_of_a_row(row: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        conversation(row, "messages")


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_an_empty_answer_is_a_fault(answer: str | None) -> None:
    with pytest.raises(Fault, match="the answer is empty"):
        conversation({"prompt": "a", "response": answer}, "prompt_response")


def test_a_near_role_is_named() -> None:
    with pytest.raises(Fault) as raised:
        conversation({"messages": [{"role": "asistant", "content": "a"}]}, "messages")
    assert raised.value.nearest == "assistant"


def test_all_faults_at_once_with_their_places() -> None:
    good = {"prompt": "a", "response": "b"}
    data = DatasetDict(
        train=Dataset.from_list([good, {"prompt": "what?", "response": ""}, good]),
        test=Dataset.from_list([{"prompt": " ", "response": "b"}, {"prompt": "why?", "response": None}]),
    )
    with pytest.raises(BadInput) as raised:
        check_all(data, "prompt_response", None)
    empty, blank = (problem.what for problem in raised.value.problems)
    assert empty == "the answer is empty: row 2 of train ('what?'), row 2 of test ('why?')"
    assert blank.startswith("the prompt is empty: row 1 of test")
    assert [problem.where for problem in raised.value.problems] == [
        "data.columns.response",
        "data.columns.prompt",
    ]


def test_conversations_are_counted() -> None:
    rows = [{"messages": turns("a", "b")}, {"messages": turns("a", "b", "c", "d", "e")}]
    assert check_all(DatasetDict(train=Dataset.from_list(rows)), "messages", None) == {
        "conversations": 2,
        "fewest": 1,
        "most": 2,
        "latin": True,
    }


def test_forms_are_recognised_or_said() -> None:
    both = ["prompt", "response", "messages", "id"]
    assert form_of(["prompt", "messages"], None) == "messages"
    assert form_of(both, "prompt_response") == "prompt_response"
    assert form_of(both, None, "messages") == "messages"
    assert form_of(["prompt"], None, "messages", answered=False) == "prompt_response"
    for columns, said, words in [
        (both, None, "the columns are those of messages, prompt_response"),
        (["text", "label"], None, "there are no conversations in the columns text, label"),
        (["prompt"], None, "there are no conversations"),
        (["prompt", "response"], "alpaca", "alpaca needs the columns instruction, output"),
    ]:
        with pytest.raises(BadInput, match=words):
            form_of(columns, said)
