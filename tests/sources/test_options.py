"""The files in conf/data say what the classes say."""

import importlib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

import pipeline.sources.base

FILES = sorted((Path(pipeline.sources.base.__file__).parents[2] / "conf" / "data").glob("*.yaml"))


def test_all_are_found():
    assert [file.stem for file in FILES] == [
        "bbc_news",
        "chinese_reviews",
        "dialogues",
        "django_messages",
        "files",
        "hub",
        "mixture",
        "movie_snippets",
        "python_docs",
        "python_functions",
    ]


# A mixture lists what is not of each source: tests/sources/test_mixture.py.
@pytest.mark.parametrize("file", [f for f in FILES if f.stem != "mixture"], ids=lambda file: file.stem)
def test_an_option_lists_every_key_with_its_default(file):
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# ")
    given = yaml.safe_load(text)
    module, _, name = given.pop("_target_").rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    assert set(given) == {field.name for field in fields(kind)}
    required = {key: "owner/name" for key, value in given.items() if value == "???"}
    assert TypeAdapter(kind).validate_python({**given, **required}) == kind(**required)
