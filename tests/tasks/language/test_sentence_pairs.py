"""Pairs hold every sentence, true ones follow each other, and half are drawn."""

import random
from itertools import pairwise

import pytest

from pipeline.tasks.language.sentence_pairs import IS_NEXT, IS_RANDOM, Pair, pairs, sentences
from pipeline.tasks.language.word_tokens import Tokens

ROOM = 40


def documents(count: int, draw: random.Random) -> list[list[Tokens]]:
    """Sentences whose tokens say the document, the sentence and the place in it."""
    made = []
    for row in range(count):
        sizes = [draw.randint(1, 12) for _ in range(draw.randint(0 if row else 1, 30))]
        made.append(
            [
                Tokens([row * 10_000 + number * 100 + i for i in range(size)], [True] * size)
                for number, size in enumerate(sizes)
            ]
        )
    return made


@pytest.fixture(scope="module")
def made() -> tuple[list[list[Tokens]], list[Pair]]:
    given = documents(200, random.Random(0))
    return given, pairs(given, ROOM, random.Random(1))


def test_no_token_is_lost(made: tuple[list[list[Tokens]], list[Pair]]) -> None:
    given, found = made
    own = {token for pair in found for token in pair.first.ids}
    own |= {token for pair in found if pair.label == IS_NEXT for token in pair.second.ids}
    assert own == {token for document in given for sentence in document for token in sentence.ids}


def test_labels_say_what_is_true(made: tuple[list[list[Tokens]], list[Pair]]) -> None:
    _, found = made
    for pair in found:
        assert pair.first.ids and pair.second.ids and len(pair.first) + len(pair.second) <= ROOM
        assert {token // 10_000 for token in pair.first.ids} == {pair.row}
        last, first = pair.first.ids[-1], pair.second.ids[0]
        if pair.label == IS_NEXT:
            assert first // 100 == last // 100 + 1 and first % 100 == 0
        else:
            assert first // 10_000 != pair.row
    assert [pair.row for pair in found] == sorted(pair.row for pair in found)
    # A last sentence that is alone can only have a random one behind it, so they are a little more than half.
    share = sum(pair.label == IS_RANDOM for pair in found) / len(found)
    assert 0.5 < share < 0.65


def test_one_document_has_its_own_sentences_behind_it() -> None:
    (given,) = documents(1, random.Random(3))
    found = pairs([given * 2], ROOM, random.Random(0))
    assert {pair.label for pair in found} <= {IS_NEXT, IS_RANDOM} and all(pair.second.ids for pair in found)
    assert pairs([[], []], ROOM, random.Random(0)) == []


def test_the_same_draws_give_the_same_pairs() -> None:
    given = documents(5, random.Random(0))
    assert pairs(given, ROOM, random.Random(7)) == pairs(given, ROOM, random.Random(7))


def test_sentences_of_many_scripts() -> None:
    assert sentences("It is good. Is it? Yes!\r\nNew line") == ["It is good.", "Is it?", "Yes!", "New line"]
    assert sentences("电影很好。我喜欢！") == ["电影很好。", "我喜欢！"]
    assert sentences("هل هو جيد؟ نعم.") == ["هل هو جيد؟", "نعم."]
    assert all(one != other for one, other in pairwise(sentences("a. b. c.")))
