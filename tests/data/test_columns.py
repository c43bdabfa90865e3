"""Cells of csv files in the roles of tasks: texts as they are written, and numbers where the task reads numbers."""

import csv
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.columns import task_rows
from pipeline.data.joining import joined
from pipeline.data.origins import visible
from pipeline.errors import BadInput
from pipeline.sources.base import Split
from pipeline.sources.files import Files
from pipeline.sources.mixture import Mixture
from pipeline.sources.template import Template
from pipeline.tasks.causal_lm import CausalLM
from pipeline.tasks.multiple_choice import MultipleChoice
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.regression import Regression
from pipeline.tasks.sentence_embedding import SentenceEmbedding
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_to_text import TextToText


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def source(rows: dict[str, list[str]], name: str = "a.csv", **options: Any) -> Files:
    """A csv of these columns."""
    with Path(name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows)
        writer.writerows(zip(*rows.values(), strict=True))
    return Files(train=name, **options)


def cells(task: Any, given: Files, column: str) -> list[Any]:
    return task_rows(task, given, training=True)["train"][column][:]


def test_answers_are_found_as_they_are_written() -> None:
    rows = {
        "question": ["what does it cost?", "when was it?", "how long is it?"],
        "context": ["the price is 1.50 dollars", "made in 1990", "3.5 hours"],
        "answers": ["1.50", "1990", "3.5"],
    }
    task = QuestionAnswering()
    data = task_rows(task, source(rows), training=True)
    assert data["train"]["answers"][:] == rows["answers"]
    assert task.learn(data, None)["counts"]["train"]["answered"] == 3  # type: ignore[arg-type]


def test_choices_may_be_numbers() -> None:
    rows = {
        "context": ["1 + 1", "half of 3", "2 * 3"],
        "A": ["2", "1.50", "7"],
        "B": ["3", "2.0", "6"],
        "label": ["0", "0", "1"],
    }
    from transformers import BertConfig

    task = MultipleChoice(choice_columns=["A", "B"])
    for labels, kind in (("001", "number"), (["2", "1.50", "6"], "text")):
        data = task_rows(task, source({**rows, "label": list(labels)}), training=True)
        assert data["train"]["A"][:] == rows["A"]
        assert task.learn(data, BertConfig())["label_is"] == kind


def test_texts_and_labels_of_a_classifier() -> None:
    texts = ["1990", "1.50", "3"]
    given = source({"text": texts, "label": ["1", "0", "1"]})
    assert cells(TextClassification(), given, "text") == texts
    assert cells(TextClassification(), given, "label") == [1, 0, 1]
    versions = source({"text": texts, "version": ["1.10", "1.1", "2"]}, columns={"label": "version"})
    assert cells(TextClassification(), versions, "label") == ["1.10", "1.1", "2"]


def test_roles_that_want_numbers_have_them() -> None:
    given = source(
        {"text": ["a", "b"], "text_pair": ["1", "2"], "label": ["1.50", "2"], "score": ["0", "4.5"]}
    )
    assert cells(Regression(), given, "label") == [1.5, 2.0]
    assert cells(Regression(target_columns=["score"]), given, "score") == [0.0, 4.5]
    assert cells(SentenceEmbedding(), given, "score") == [0.0, 4.5]
    assert cells(SentenceEmbedding(), given, "text_pair") == ["1", "2"]
    assert cells(TextToText(), source({"source": ["1.50", "2"], "target": ["3", "4"]}), "target") == [
        "3",
        "4",
    ]


@pytest.mark.parametrize(
    "columns",
    [{"text": "text", "positive": "text"}, {"positive": "text"}, {"text": "body", "positive": "body"}],
)
def test_a_column_plays_several_roles(columns: dict[str, str]) -> None:
    rows = {columns["positive"]: ["1.50", "2", "a"], "score": ["1", "0", "1"]}
    data = task_rows(SentenceEmbedding(), source(rows, columns=columns), training=True)["train"]
    assert data["text"][:] == data["positive"][:] == ["1.50", "2", "a"] and data["score"][:] == [1, 0, 1]
    assert data.num_rows == 3 and set(visible(data.column_names)) == {"text", "positive", "score"}


def test_a_column_that_is_read_as_text_and_as_a_number_stays_as_it_is_written() -> None:
    given = source({"text": ["1.50", "2"]}, columns={"label": "text"})
    assert cells(Regression(), given, "text") == cells(Regression(), given, "label") == ["1.50", "2"]


def test_columns_change_their_roles_or_step_aside() -> None:
    rows = {"source": ["a", "b"], "target": ["c", "d"], "other": ["e", "f"]}
    swapped = source(rows, columns={"source": "target", "target": "source"})
    assert (cells(TextToText(), swapped, "source"), cells(TextToText(), swapped, "target")) == (
        ["c", "d"],
        ["a", "b"],
    )
    both = source(rows, "b.csv", columns={"source": "other", "target": "other"})
    assert cells(TextToText(), both, "source") == cells(TextToText(), both, "target") == ["e", "f"]
    assert cells(TextToText(), both, "source (unused)") == ["a", "b"]


def test_templates_write_what_stands_there_and_know_labels_by_both_spellings() -> None:
    template = Template(texts={"text": "{{ price }} for {{ year }}"}, labels={"0": "bad", "1": "good"})
    rows = {"price": ["1.50", "1e3"], "year": ["1990", "2024"]}
    for labels in (["0", "1"], ["0.0", "1.0"]):
        given = source({**rows, "label": labels}, template=template)
        data = task_rows(TextClassification(), given, training=True)["train"]
        assert (data["text"][:], data["label"][:]) == (["1.50 for 1990", "1e3 for 2024"], ["bad", "good"])


@pytest.mark.parametrize("values", [["0", "1"], ["0.5", "1.0"], ["0.0", "1.0"]])
def test_the_same_rows_are_held_out_whether_labels_are_read_or_not(values: list[str]) -> None:
    """An earlier stage must not train on what a later one is scored on."""
    given = source({"text": [f"t{i}" for i in range(40)], "label": [values[i % 3 == 0] for i in range(40)]})
    held = [
        given.hold_out(task_rows(task, given, training=True))["test"]["text"][:]
        for task in (Regression(), CausalLM())
    ]
    assert held[0] == held[1]


def test_examples_of_each_class_are_drawn_of_numbers_and_versions() -> None:
    for classes in (["0", "1"], ["1.10", "1.1"]):
        all_train = Split(validation=0, test=0)
        rows = {"text": list("abcdef"), "label": classes * 3}
        given = source(rows, examples_per_class=1, split=all_train)
        drawn = given.hold_out(task_rows(TextClassification(), given, training=True))["train"]
        assert {str(label) for label in drawn["label"][:]} == set(classes) and len(drawn) == 2


def test_sources_of_a_mixture_have_equal_types() -> None:
    task = QuestionAnswering()
    rows = {"question": ["when?"], "context": ["in 1990 or so"]}
    parts: dict[str, Any] = {
        "a": source({**rows, "answers": ["1990"]}, "one.csv"),
        "b": source({**rows, "answers": ["or so"]}, "two.csv"),
    }
    read = joined(Mixture(sources=parts), lambda part: task_rows(task, part, training=True), task.columns)
    assert read.data["train"]["answers"][:] == ["1990", "or so"]


def test_a_column_of_several_types_is_refused_only_where_it_is_read() -> None:
    Path("a.jsonl").write_text(
        '{"text": "a", "label": "x", "id": 1}\n{"text": "b", "label": "y", "id": "x2"}\n'
    )
    assert cells(TextClassification(), Files(train="a.jsonl"), "label") == ["x", "y"]
    with pytest.raises(BadInput, match=r"a\.jsonl:2:id: 'id' is \"x2\" here and 1 before"):
        task_rows(TextClassification(), Files(train="a.jsonl", columns={"label": "id"}), training=True)
