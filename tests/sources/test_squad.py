"""The official form of SQuAD, and JSON with the rows in one of its fields."""

import json

import pytest

from pipeline.data.origins import without_origins
from pipeline.errors import BadInput
from pipeline.sources.files import Files

CONTEXT = "Zoë lives in 北京."
QUESTIONS = [
    {
        "id": 7,
        "question": "Where?",
        "answers": [{"text": "北京", "answer_start": 13}],
        "is_impossible": False,
    },
    {"id": "b", "question": "When?", "answers": [], "is_impossible": True},
]
OFFICIAL = {
    "version": "v2.0",
    "data": [{"title": "Zoë", "paragraphs": [{"context": CONTEXT, "qas": QUESTIONS}]}],
}


def rows(file, **options):
    return without_origins(Files(train=str(file), **options).load())["train"].to_list()


def test_a_row_is_a_question(tmp_path):
    file = tmp_path / "train-v2.0.json"
    file.write_text(json.dumps(OFFICIAL), encoding="utf-8")
    first, second = rows(file, format="squad")
    assert first["id"] == "7" and first["title"] == "Zoë"
    start = first["answers"]["answer_start"][0]
    assert first["context"][start:].startswith(first["answers"]["text"][0])
    assert second == {
        **{"id": "b", "title": "Zoë", "context": CONTEXT, "question": "When?"},
        "answers": {"text": [], "answer_start": []},
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}', "data[0].paragraphs[0].qas[0]"),
        ('[{"context": "a"}]', "form of SQuAD"),
        ('{"data": \n[}', "a.json:2"),
    ],
)
def test_another_form_is_refused(tmp_path, content, said):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInput, match=said.replace("[", r"\[")):
        rows(tmp_path / "a.json", format="squad")


def test_rows_in_a_field(tmp_path):
    found = [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
    (tmp_path / "a.json").write_text(json.dumps({"version": 1.0, "data": found}, indent=1))
    assert rows(tmp_path / "a.json") == found
    (tmp_path / "b.json").write_text(json.dumps({"one": found, "two": found}, indent=1))
    with pytest.raises(BadInput, match="one, two of its fields hold rows"):
        rows(tmp_path / "b.json")
