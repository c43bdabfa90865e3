"""Blocks of joined documents, and of each by itself, lose no token."""

import pytest

from pipeline.tasks.language.text_blocks import blocks
from pipeline.tasks.language.word_tokens import Tokens, special

SEP = 99


def document(start: int, count: int) -> Tokens:
    return Tokens(list(range(start, start + count)), [True] * count)


@pytest.mark.parametrize("joined", [True, False])
def test_no_token_is_lost_and_none_is_twice(joined: bool) -> None:
    sizes = [3, 0, 25, 1, 7, 8, 9]
    documents = [document(1_000 * (row + 1), size) for row, size in enumerate(sizes)]
    found = blocks(documents, 8, special([SEP]) if joined else None)
    text = [token for _, tokens in found for token in tokens.ids if token != SEP]
    assert text == [token for one in documents for token in one.ids]
    assert all(1 <= len(tokens) <= 8 for _, tokens in found)
    rows = [row for row, _ in found]
    assert rows == sorted(rows)
    for row, tokens in found:
        assert tokens.ids[0] // 1_000 == row + 1 and tokens.ids[-1] != SEP
        if not joined:
            assert {token // 1_000 for token in tokens.ids} == {row + 1}
    if joined:  # every block but the last is as full as it can be
        assert all(len(tokens) >= 7 for _, tokens in found[:-1])


def test_documents_are_separated_by_a_token_that_is_never_masked() -> None:
    ((_, tokens),) = blocks([document(10, 2), document(20, 2)], 8, special([SEP]))
    assert tokens.ids == [10, 11, SEP, 20, 21] and tokens.begins == [True, True, None, True, True]
