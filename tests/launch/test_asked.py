"""What of a row a trained model reads: the columns of training as far as they are there, and those of the call."""

from typing import Any

import pytest

from pipeline.errors import BadInput
from pipeline.launch.asked import asked_columns
from pipeline.sources.files import Files
from pipeline.tasks.base import Task
from pipeline.tasks.code_generation import CodeGeneration
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.sentence_embedding import SentenceEmbedding
from pipeline.tasks.token_classification import TokenClassification

PAIRS = {"text": "sentence1", "text_pair": "sentence2", "score": "similarity"}
TESTED = {"prompt": "text", "tests": "test_list", "setup": "test_setup_code"}


def asked(
    task: Task, trained: dict[str, str], row: dict[str, Any], given: dict[str, str] | None = None
) -> dict[str, list[Any]]:
    found, faults = asked_columns(task, Files(train=["x.csv"], columns=trained), [row], given)
    assert not faults
    return found


@pytest.mark.parametrize(
    ("task", "trained", "row", "given", "read"),
    [
        (SentenceEmbedding(), PAIRS, {"sentence1": "a"}, {}, {"text": ["a"]}),
        (SentenceEmbedding(), PAIRS, {"text": "a"}, {}, {"text": ["a"]}),
        (SentenceEmbedding(), PAIRS, {"body": "a"}, {"text": "body"}, {"text": ["a"]}),
        (
            SentenceEmbedding(),
            PAIRS,
            {"sentence1": "a", "sentence2": "b"},
            {},
            {"text": ["a"], "text_pair": ["b"]},
        ),
        (CodeGeneration(), TESTED, {"text": "add"}, {}, {"prompt": ["add"]}),
        (TokenClassification(), {"tokens": "words"}, {"text": "a b"}, {}, {"text": ["a b"]}),
    ],
)
def test_columns_of_training_count_where_they_are(
    task: Task, trained: dict[str, str], row: dict[str, Any], given: dict[str, str], read: dict[str, Any]
) -> None:
    assert asked(task, trained, row, given) == read


@pytest.mark.parametrize(
    ("task", "trained", "row", "given", "said"),
    [
        (SentenceEmbedding(), PAIRS, {"sentence1": "a"}, {"text_pair": "second"}, "has no column 'second'"),
        (SentenceEmbedding(), PAIRS, {"body": "a"}, {}, "has no column 'sentence1'"),
        (QuestionAnswering(), {"context": "passage"}, {"question": "a"}, {}, "has no column 'passage'"),
        (TokenClassification(), {"tokens": "words"}, {"other": "a"}, {}, "has no column 'words'"),
    ],
)
def test_what_must_be_there(
    task: Task, trained: dict[str, str], row: dict[str, Any], given: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        asked(task, trained, row, given)


def test_rows_with_nothing_in_them_are_told_by_their_place() -> None:
    source = Files(train=["x.csv"], columns={})
    rows = [{"question": "a", "context": "b"}, {"question": None, "context": "b"}]
    _, faults = asked_columns(QuestionAnswering(), source, rows, None)
    assert {place: problem.what for place, problem in faults.items()} == {1: "has no text in 'question'"}
