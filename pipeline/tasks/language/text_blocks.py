"""Documents in blocks of at most a length: long ones cut without losing a token, and, joined, one behind the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.tasks.language.word_tokens import Tokens


def blocks(documents: Sequence[Tokens], length: int, between: Tokens | None) -> list[tuple[int, Tokens]]:
    """Blocks and the number of the document that each begins in; documents without tokens are in none.

    between: what separates documents that share a block, as in RoBERTa's full sentences (Liu et al. 2019,
    arXiv:1907.11692, section 4.2). None: each document begins a block of its own.
    """
    found: list[tuple[int, Tokens]] = []
    for row, tokens in enumerate(documents):
        rest = tokens
        if between is not None and found and len(rest):
            # At least one token of the document behind the separator, or the block is left as it is.
            room = length - len(found[-1][1]) - len(between)
            if room > 0:
                found[-1] = (found[-1][0], found[-1][1] + between + rest[:room])
                rest = rest[room:]
        found += [(row, rest[start : start + length]) for start in range(0, len(rest), length)]
    return found


def longest(tokens: Tokens, length: int) -> Iterator[Tokens]:
    """``tokens`` in parts of at most ``length``."""
    return (tokens[start : start + length] for start in range(0, len(tokens), length))
