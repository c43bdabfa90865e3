"""Prose of the Python in use: documents with text, identified by their content."""

from pydoc_data.topics import topics

from pipeline.sources.python_docs import PythonDocs


def test_every_chapter_is_a_document() -> None:
    rows = PythonDocs().load()["train"]
    assert rows["topic"][:] == sorted(topics) and len(rows) == len(topics) > 50
    assert all(text and text == text.strip() for text in rows["text"])
    assert sum(map(len, rows["text"])) > 300_000


def test_the_content_decides_the_fingerprint(monkeypatch) -> None:
    before = PythonDocs().fingerprint()
    assert PythonDocs(limit=3).fingerprint() == before
    monkeypatch.setitem(topics, "assert", "another text")
    assert PythonDocs().fingerprint() != before


def test_splits_are_held_out() -> None:
    source = PythonDocs()
    parts = source.hold_out(source.load())
    found = [set(parts[name]["topic"]) for name in ("train", "validation", "test")]
    assert set.union(*found) == set(topics) and sum(map(len, found)) == len(topics)
