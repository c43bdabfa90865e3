"""Templates: every shipped one on a row, the rules for empty cells, and what is said where one does not fit."""

from pathlib import Path

import pytest
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from pydantic import TypeAdapter, ValidationError

from pipeline.data.columns import task_rows
from pipeline.errors import BadInput
from pipeline.sources.base import Source
from pipeline.sources.files import Files
from pipeline.sources.template import Template, TemplateError
from pipeline.tasks.instruction_tuning import InstructionTuning
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_to_text import TextToText
from tests.conftest import ROOT

SHIPPED = {file.stem: file for file in sorted((ROOT / "conf/data/template").glob("*.yaml"))}
# A row of data, and what the task has of it.
EXAMPLES = {
    "title_and_text": (
        TextClassification,
        {"title": "Dull", "text": "I fell asleep.", "label": "bad"},
        {"text": "Dull\n\nI fell asleep.", "label": "bad"},
    ),
    "sentiment_words": (
        TextClassification,
        {"text": "I fell asleep.", "label": 0},
        {"text": "I fell asleep.", "label": "negative"},
    ),
    "sentiment_prompt": (
        TextToText,
        {"text": "I fell asleep.", "label": "neg"},
        {
            "source": "Is the sentiment of this text negative or positive?\n\nI fell asleep.",
            "target": "negative",
        },
    ),
    "nli_prompt": (
        TextToText,
        {"premise": "A man sleeps.", "hypothesis": "He is awake.", "label": 2},
        {
            "source": "A man sleeps.\n\nDoes this mean that the following is true: yes, maybe or no?\n\nHe is awake.",
            "target": "no",
        },
    ),
    "nli_pair": (
        TextClassification,
        {"premise": "A man sleeps.", "hypothesis": "He is awake.", "label": "contradiction"},
        {"text": "A man sleeps.", "text_pair": "He is awake.", "label": "contradiction"},
    ),
    "question_prompt": (
        TextToText,
        {"context": "It is noon.", "question": "What time is it?", "answer": "noon"},
        {"source": "It is noon.\n\nQuestion: What time is it?", "target": "noon"},
    ),
    "question_chat": (
        InstructionTuning,
        {"context": None, "question": "What time is it?", "answer": "noon"},
        {"prompt": "What time is it?", "response": "noon"},
    ),
}


def shipped(name: str) -> Template:
    written = yaml.safe_load(SHIPPED[name].read_text(encoding="utf-8"))
    return Template(**{key: {str(k): v for k, v in values.items()} for key, values in written.items()})


def read(task, template: Template, *rows: dict, columns: dict | None = None, features=None) -> list[dict]:
    """Rows as the task has them."""

    class Given(Source):
        def load(self) -> DatasetDict:
            return DatasetDict({"train": Dataset.from_list(list(rows), features=features)})

    source = Given(template=template, columns=columns or {})
    found = task_rows(task, source, training=True)["train"]
    return found.select_columns([name for name in found.column_names if name in task.columns]).to_list()


def complaints(*arguments, **options) -> list[str]:
    with pytest.raises(BadInput) as raised:
        read(*arguments, **options)
    return [f"{p.where}: {p.what} | {p.nearest}" for p in raised.value.problems]


def test_every_shipped_template_has_an_example():
    assert list(SHIPPED) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_shipped_template_makes_what_it_says(name: str):
    task, row, expected = EXAMPLES[name]
    features = Features({k: Value("int64" if isinstance(v, int) else "string") for k, v in row.items()})
    assert read(task(), shipped(name), row, features=features) == [expected]


def test_names_are_columns_or_what_columns_says():
    template = Template(texts={"text": "{{ text }} / {{ about }}"})
    (row,) = read(
        TextClassification(),
        template,
        {"review body": "Dull", "topic": "film", "stars": "1"},
        columns={"text": "review body", "about": "topic", "label": "stars"},
    )
    assert row == {"text": "Dull / film", "label": "1"}


def test_a_column_that_was_used_up_plays_no_role_by_its_name():
    """Else the second text would be read twice, the second time as the second of a pair."""
    template = Template(texts={"text": "{{ text }} {{ text_pair }}"})
    rows = [{"text": "a", "text_pair": "b", "label": "x"}]
    assert read(TextClassification(), template, *rows) == [{"text": "a b", "label": "x"}]
    (said,) = read(TextClassification(), template, *rows, columns={"text_pair": "text_pair"})
    assert said["text_pair"] == "b"


def test_empty_cells_make_empty_cells_unless_they_are_asked_for():
    template = Template(texts={"text": "{% if title %}{{ title }}: {% endif %}{{ body }}"})
    rows = [("t", "b"), (None, "b"), ("", "b"), ("t", None), ("t", " ")]
    given = [{"title": title, "body": body, "label": "x"} for title, body in rows]
    found = [row["text"] for row in read(TextClassification(), template, *given)]
    assert found == ["t: b", "b", "b", None, ""]


def test_many_empty_rows_first_are_still_texts():
    rows = [{"a": None, "label": "x"}] * 1_500 + [{"a": "there", "label": "y"}]
    found = read(TextClassification(), Template(texts={"text": "{{ a }}!"}), *rows)
    assert found[0]["text"] is None and found[-1]["text"] == "there!"


def test_labels_of_every_kind_get_their_words():
    names = Template(labels={"0": "no", "1": "yes", "true": "yes", "false": "no"})
    assert [names.word(cell) for cell in (0, 1.0, True, False, "1", None)] == [
        "no",
        "yes",
        "yes",
        "no",
        "yes",
        None,
    ]
    assert names.word([0, 1]) == ["no", "yes"]
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    template = shipped("sentiment_words")
    rows = read(
        TextClassification(),
        template,
        {"text": "a", "label": 1},
        {"text": "b", "label": 0},
        features=features,
    )
    assert [row["label"] for row in rows] == ["positive", "negative"]


def test_a_list_of_labels_gets_a_list_of_words():
    template = Template(labels={"a": "first", "b": "second"})
    (row,) = read(TextClassification(multi_label=True), template, {"text": "t", "label": ["b", "a"]})
    assert row["label"] == ["second", "first"]


def test_every_mistake_is_named_at_once_with_the_nearest_name():
    template = Template(texts={"text": "{{ premis }}", "txt": "{{ label }}"}, labels={"a": "b"})
    said = complaints(TextClassification(), template, {"premise": "p", "klass": "a"})
    assert said == [
        "data.template.texts.txt: the task has no column 'txt' | text",
        "data.template.texts.text: the train split has no column 'premis' | premise",
        "data.template.texts.txt: the train split has no column 'label' | ",
        "data.template.labels: the train split has no column 'label' | ",
    ]


def test_a_label_without_a_word_is_named_with_its_row():
    template = Template(labels={"good": "positive"})
    rows = [{"text": "a", "label": "good"}, {"text": "b", "label": "goood"}]
    (said,) = complaints(TextClassification(), template, *rows)
    assert said == "data.template.labels: has no word for the label 'goood', as in row 2 of train | good"


@pytest.mark.parametrize("text", ["{{ a.b.c }}", "{{ 1 / n }}", "{{ a.__class__.__mro__ }}", "{{ a + n }}"])
def test_an_expression_without_a_value_is_told_with_its_row(text: str):
    rows = [{"a": "x", "n": 0, "label": "y"}]
    (said,) = complaints(TextClassification(), Template(texts={"text": text}), *rows)
    assert said.startswith("data.template.texts.text: makes nothing of row 1 of train: ")


def test_it_is_rendered_in_a_sandbox():
    with pytest.raises(TemplateError, match="unsafe"):
        Template(texts={"text": "{{ a.__class__ }}"}).render("text", {"a": "x"})
    with pytest.raises(TemplateError):
        Template(texts={"text": "{{ a.append(1) }}"}).render("text", {"a": [1]})


def test_a_syntax_error_names_the_line():
    with pytest.raises(ValidationError, match="line 2 of the template"):
        TypeAdapter(Template).validate_python({"texts": {"text": "fine {{ a }}\nnot {{ a "}})


def test_a_file_with_a_syntax_error_is_named(tmp_path: Path, monkeypatch):
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/data/template").mkdir(parents=True)
    (tmp_path / "conf/data/template/mine.yaml").write_text(
        '# Mine.\ntexts:\n  text: "{% if a %}"\n  textt: 3.5\n'
    )
    with pytest.raises(BadInput) as raised:
        load(compose(["data/template=mine", "data.limt=3"]))
    told = {p.where: p.what for p in raised.value.problems}
    assert set(told) == {"data.template.texts.text", "data.template.texts.textt", "data.limt"}
    assert told["data.template.texts.text"].startswith("line 1 of the template: Unexpected end")
    assert told["data.template.texts.text"].endswith("(conf/data/template/mine.yaml:3)")


def test_a_template_is_part_of_what_is_encoded():
    from pipeline.runs.identity import digest

    plain = Files(train="x.csv")
    one, other = (
        Files(train="x.csv", template=Template(texts={"text": text})) for text in ("{{ a }}", "{{ b }}")
    )
    assert len({digest(source.rows_only()) for source in (plain, one, other)}) == 3
