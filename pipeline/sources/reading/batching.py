"""Rows that are Python objects at one time: a number of them, and fewer where they are long."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

ROWS, CHARACTERS = 5_000, 4_000_000


def batches(rows: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Lists of rows. size: the characters of a row."""
    batch: list[T] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += size(row)
        if len(batch) >= ROWS or characters >= CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
