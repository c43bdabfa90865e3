"""Schemes, and tags from spans."""

import random

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from pipeline.tasks.tagging.schemes import (
    SpanError,
    completed,
    continued,
    entities,
    scheme_of,
    strangers,
    strict_entities,
    tags_of_spans,
    types_of,
)
from pipeline.tasks.tagging.words import split


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "bio"),
        (["O", "I-PER"], "bio"),
        (["B-creative-work", "O"], "bio"),
        (["O", "S-PER", "B-PER", "E-PER"], "bioes"),
        (["O", "U-PER", "L-PER"], "bioes"),
        (["B", "I", "O"], "bio"),
        (["B", "M", "E", "S"], "none"),
        (["NOUN", "VERB"], "none"),
        (["O", "PER"], "none"),
        (["O"], "none"),
        (["0", "1"], "none"),
    ],
)
def test_schemes_show_in_the_tags(tags: list[str], scheme: str) -> None:
    assert scheme_of(tags) == scheme


def test_types_and_what_they_lack() -> None:
    assert types_of(["O", "I-a", "B-creative-work", "B-a", "B"]) == ["a", "creative-work", "_"]
    assert completed(["B-a"], "bio") == ["O", "B-a", "I-a"]
    assert completed(["O", "S-a", "E-a"], "bioes") == ["O", "S-a", "E-a", "B-a", "I-a"]
    assert completed(["O", "U-a"], "bioes") == ["O", "U-a", "B-a", "I-a", "L-a"]
    assert completed(["X", "Y"], "none") == ["X", "Y"]
    assert strangers(["O", "B-a", "E-a", "x"], "bio") == ["E-a", "x"]
    assert [continued(tag, "bio") for tag in ("B-a", "I-a", "O")] == ["I-a", "I-a", "O"]
    assert continued("NOUN", "none") == "NOUN"


def test_entities_are_seqevals() -> None:
    draw = random.Random(0)
    tags = ["O", "B-a", "I-a", "E-a", "S-a", "B-b", "I-b", "E-b", "S-b"]
    for _ in range(300):
        row = draw.choices(tags, k=draw.randint(0, 8))
        assert entities(row, "bioes") == [(kind, i, j + 1) for kind, i, j in get_entities(row)]
    assert entities(["U-a", "B-a", "I-a", "L-a", "I-b"], "bioes") == [("a", 0, 1), ("a", 1, 4), ("b", 4, 5)]
    assert strict_entities(["I-a", "B-a", "I-b"], "bio") == [("a", 1, 2)]
    assert entities(["X"], "none") == []


TEXT = "Ann Lee lives in 北京大学, Oslo."


def spans(*given: tuple[int, int, str]) -> list[dict[str, object]]:
    return [{"start": start, "end": end, "label": label} for start, end, label in given]


def tagged(given: list[dict[str, object]], scheme: str = "bio", expand: bool = False) -> str:
    words = split(TEXT, fine=True)
    return " ".join(tags_of_spans(given, words, scheme, expand=expand))  # type: ignore[arg-type]


def test_tags_of_spans() -> None:
    given = spans((23, 27, "LOC"), (0, 7, "PER"), (17, 19, "LOC"))
    assert tagged(given) == "B-PER I-PER O O B-LOC I-LOC O O O B-LOC O"
    assert tagged(given, "bioes") == "B-PER E-PER O O B-LOC E-LOC O O O S-LOC O"
    # Blanks around a span are none of it.
    assert tagged(spans((22, 27, "LOC"), (0, 8, "PER"))).startswith("B-PER I-PER O")
    assert tagged(spans((1, 6, "PER")), expand=True).startswith("B-PER I-PER O")
    assert tagged([]) == " ".join(["O"] * 11)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (spans((0, 2, "PER")), r"PER 'An' \(0 to 2\) ends or begins inside of the word 'Ann'"),
        (spans((1, 7, "PER")), "inside of the word 'Ann'"),
        (spans((0, 7, "PER"), (4, 7, "LOC")), r"LOC 'Lee' \(4 to 7\) overlaps PER 'Ann Lee' \(0 to 7\)"),
        (spans((0, 7, "PER"), (0, 7, "LOC")), "overlaps"),
        (spans((20, 99, "PER")), "no range in a text of 28 characters"),
        (spans((3, 3, "PER")), "no range"),
        (spans((3, 4, "PER")), "holds no word"),
        (spans((-1, 4, "PER")), "no range"),
        ([{"start": 0, "end": 3}], "lacks a start, an end or a label"),
        ([{"start": "0", "end": 3, "label": "a"}], "lacks"),
        (["PER"], "is no span"),
    ],
)
def test_spans_that_are_none(given: list, what: str) -> None:
    with pytest.raises(SpanError, match=what):
        tagged(given)
