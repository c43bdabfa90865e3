"""Documents of any length in blocks of a fixed one: long ones cut without losing a token, short ones side by side.

A document of tokens ``t0 … tn`` asks for every token but the first to be predicted. A block of it holds
``input_ids`` ``ti … tj`` and ``targets`` ``ti+1 … tj+1``: the token after the last is a target here and the first
input of the next block, so no token is lost between two, and each is a target once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Block:
    """Pieces of documents side by side.

    positions: begin at 0 again with each piece. row: of the first document. bytes: of the documents that begin here.
    cut: whether text of one of them is missing.
    """

    row: int
    input_ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    bytes: int = 0
    cut: bool = False

    def add(self, other: Block) -> None:
        self.row = min(self.row, other.row)
        self.input_ids += other.input_ids
        self.targets += other.targets
        self.positions += other.positions
        self.bytes += other.bytes
        self.cut |= other.cut


def pieces(tokens: Sequence[int], length: int, row: int, size: int) -> list[Block]:
    """One document in blocks of at most ``length`` tokens. size: its bytes, which count for its first block."""
    starts = range(0, len(tokens) - 1, length)
    return [
        Block(
            row,
            list(tokens[start : start + length][: len(tokens) - 1 - start]),
            list(tokens[start + 1 : start + 1 + length]),
            list(range(min(length, len(tokens) - 1 - start))),
            size if start == 0 else 0,
        )
        for start in starts
    ]


def packed(parts: Iterable[Block], length: int) -> list[Block]:
    """As few blocks of at most ``length`` tokens as best-fit decreasing makes of the parts, in the order of rows.

    Each part goes, the longest first, where it leaves the least room (Ding et al. 2024, arXiv:2404.10830).
    """
    blocks: list[Block] = []
    # Room that is left in a block, and the block's number.
    rooms: list[tuple[int, int]] = []
    for part in sorted(parts, key=lambda part: -len(part.input_ids)):
        size = len(part.input_ids)
        place = bisect_left(rooms, (size, -1))
        if place == len(rooms):
            room, number = length, len(blocks)
            blocks.append(part)
        else:
            room, number = rooms.pop(place)
            blocks[number].add(part)
        if room > size:
            insort(rooms, (room - size, number))
    return sorted(blocks, key=lambda block: block.row)
