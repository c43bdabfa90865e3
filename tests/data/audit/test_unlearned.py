"""Rows of which nothing is learned."""

from pathlib import Path

from datasets import Dataset

from pipeline.data.audit.unlearned import _nothing_learned, empty, masked
from pipeline.tasks.causal_lm import CausalLM
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.text_to_text import TextToText
from pipeline.tasks.token_classification import TokenClassification
from tests.data.audit.parts import reviews, subject_of


def test_rows_without_text(tiny_bert: Path):
    splits = reviews()
    splits["train"][3]["text"], splits["test"][8]["text"] = "", " \n"
    (finding,) = empty(subject_of(splits, tiny_bert))
    assert finding.rows == {"train": [4], "test": [9]} and finding.severity == "note"


def test_one_text_of_a_pair(tiny_bert: Path):
    rows = [
        {"text": f"a film {n}", "text_pair": "" if n < 6 else "it", "label": "ab"[n % 2]} for n in range(40)
    ]
    (finding,) = empty(subject_of({"train": rows}, tiny_bert))
    assert finding.rows["train"] == [1, 2, 3, 4, 5, 6] and finding.severity == "severe"


def test_empty_lines_between_documents_are_no_rows(tiny_decoder: Path):
    subject = subject_of(
        {"train": [{"text": "To be"}, {"text": ""}, {"text": "or not"}]}, tiny_decoder, CausalLM()
    )
    assert empty(subject) == [] and masked(subject) == []


def test_targets_that_are_all_ignored():
    """A row of which one window has a target is learned from."""
    labels = [[-100, 1], [-100, -100], [-100], [-100], [2], [-100, 0]]
    features = Dataset.from_dict({"labels": labels, "row": [0, 1, 2, 2, 3, 3]})
    assert _nothing_learned(features, 4).tolist() == [1, 2]
    nested = Dataset.from_dict({"labels": [[[-100], [-100]], [[-100], [3]]], "row": [0, 1]})
    assert _nothing_learned(nested, 2).tolist() == [0]


def test_words_without_tokens(tiny_bert: Path):
    rows = [
        {"tokens": ["Ann", "sings"], "tags": ["B-PER", "O"]},
        {"tokens": ["\u200b", "\ufeff"], "tags": ["O", "O"]},
    ]
    (finding,) = masked(subject_of({"train": rows}, tiny_bert, TokenClassification()))
    assert finding.rows == {"train": [2]} and finding.check == "nothing to learn"


def test_an_answer_in_no_window(tiny_bert: Path):
    answer = "story " * 60
    rows = [
        {"question": "who?", "context": "the hero of it", "answers": "hero"},
        {"question": "what?", "context": f"a {answer}of it", "answers": answer.strip()},
    ]
    subject = subject_of({"train": rows}, tiny_bert, QuestionAnswering(max_length=24, stride=4))
    (finding,) = masked(subject)
    assert finding.rows == {"train": [2]}


def test_a_decoder_with_nothing_to_write():
    features = Dataset.from_dict({"prompt_length": [4, 5], "length": [9, 5], "row": [0, 1]})
    assert _nothing_learned(features, 2).tolist() == [1]
    assert TextToText.one_target is False
