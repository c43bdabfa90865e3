from typing import get_args

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.fetch.package_index import fetch
from pipeline.sources.dialogues import Dialogues, Language
from pipeline.tasks.conversation.rows import check_all
from tests.fetch.processes import modules_after


def entries(language):
    folder = fetch(Dialogues.address, Dialogues.sha256, "data") / language
    return [
        entry
        for file in sorted(folder.glob("*.yml"))
        for entry in yaml.safe_load(file.read_text("utf-8"))["conversations"]
    ]


def test_languages_are_the_folders_of_the_archive():
    folder = fetch(Dialogues.address, Dialogues.sha256, "data")
    assert sorted(get_args(Language)) == sorted(path.name for path in folder.iterdir() if path.is_dir())


@pytest.mark.parametrize(("language", "there", "left"), [("english", 2_026, 748), ("german", 113, 70)])
def test_pairs_are_those_of_the_archive(language, there, left):
    [(split, rows)] = Dialogues(language=language).load().items()
    assert split == "train" and rows.column_names == ["prompt", "response"]
    whole = entries(language)
    assert len(whole) == there and len(rows) == left == len(set(rows["prompt"]))
    pairs = {(entry[0].strip(), entry[1].strip()) for entry in whole if isinstance(entry, list)}
    assert all((row["prompt"], row["response"]) in pairs for row in rows)


def test_talks_have_several_turns():
    rows = Dialogues(multi_turn=True).load()["train"]
    assert rows.column_names == ["messages"] and len(rows) == 748
    talks = [[turn["content"] for turn in row["messages"]] for row in rows if len(row["messages"]) > 2]
    assert len(talks) == 13 and all(len(talk) % 2 == 0 for talk in talks)
    hello = next(talk for talk in talks if talk[0] == "Hello")
    assert hello[:3] == ["Hello", "Hi", "How are you doing?"] and len(hello) == 12
    # Several answers to one question are no talk.
    assert not any(talk[0].startswith("What is a computer") for talk in talks)


@pytest.mark.parametrize(
    "options",
    [{"multi_turn": True}, *({"language": name} for name in ("chinese", "persian", "ukrainian", "hebrew"))],
)
def test_every_row_is_a_conversation(options):
    form = "messages" if options.get("multi_turn") else "prompt_response"
    assert check_all(Dialogues(**options).load(), form, None)["fewest"] == 1


def test_fingerprints_differ_and_import_nothing_heavy():
    kinds = [Dialogues(), Dialogues(language="german"), Dialogues(multi_turn=True)]
    assert len({kind.fingerprint() for kind in kinds}) == 3
    code = "from pipeline.sources.dialogues import Dialogues as D; D().fingerprint(); D().describe()"
    assert not modules_after(code) & {"torch", "datasets", "pandas", "pyarrow", "requests", "numpy"}


def test_unknown_languages_are_refused():
    with pytest.raises(ValidationError, match="english"):
        TypeAdapter(Dialogues).validate_python({"language": "klingon"})
