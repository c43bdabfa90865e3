"""Blocks lose no token, and ask for each once."""

import random
from itertools import pairwise

import pytest

from pipeline.tasks.language.packing import Block, packed, pieces


def told(blocks: list[Block]) -> list[tuple[int, int]]:
    """Every token with the one that it is to predict."""
    return [pair for block in blocks for pair in zip(block.input_ids, block.targets, strict=True)]


@pytest.mark.parametrize("count", [2, 3, 7, 8, 9, 16, 17, 100])
def test_every_token_but_the_first_is_asked_for_once(count: int) -> None:
    tokens = list(range(count))
    blocks = pieces(tokens, 8, row=3, size=50)
    assert told(blocks) == list(pairwise(tokens))
    assert all(1 <= len(block.input_ids) <= 8 and block.row == 3 for block in blocks)
    assert [block.positions for block in blocks] == [list(range(len(block.input_ids))) for block in blocks]
    assert sum(block.bytes for block in blocks) == blocks[0].bytes == 50


def test_packed_blocks_hold_the_same_and_their_positions_begin_anew() -> None:
    draw = random.Random(0)
    parts = []
    for row in range(300):
        tokens = [row * 1_000 + number for number in range(draw.randint(2, 40))]
        parts += pieces(tokens, 16, row, len(tokens))
    expected, size, count = sorted(told(parts)), sum(part.bytes for part in parts), len(parts)
    blocks = packed(parts, 16)
    assert sorted(told(blocks)) == expected and sum(block.bytes for block in blocks) == size
    assert all(len(block.input_ids) == len(block.positions) <= 16 for block in blocks)
    assert [block.row for block in blocks] == sorted(block.row for block in blocks)
    filled = sum(len(block.input_ids) for block in blocks) / (16 * len(blocks))
    assert len(blocks) < count and filled > 0.99
    for block in blocks:
        starts = [place for place, position in enumerate(block.positions) if position == 0]
        for start, end in zip(starts, [*starts[1:], len(block.positions)], strict=True):
            assert block.positions[start:end] == list(range(end - start))
            assert len({token // 1_000 for token in block.input_ids[start:end]}) == 1


def test_a_part_goes_where_it_fits_best() -> None:
    parts = [Block(row, [row] * size, [0] * size, list(range(size))) for row, size in enumerate((5, 6, 3, 2))]
    assert [block.input_ids for block in packed(parts, 8)] == [[0] * 5 + [2] * 3, [1] * 6 + [3] * 2]
