"""From values to places on a drawing: linear, logarithmic, or one place for each of several words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

# Numbers that spread further than this are shown by their magnitude.
_WIDE = 50
# So many different values are ticks themselves.
_FEW = 6


class Axis(Protocol):
    """start, end: pixels of its two ends."""

    def place(self, value: Any) -> float: ...

    def ticks(self) -> list[tuple[float, str]]:
        """Pixel and label of each."""
        ...


@dataclass(frozen=True)
class Numbers:
    """low, high: of the values, apart from each other. marks: values that are ticks, instead of round numbers."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    marks: tuple[float, ...] = ()

    def place(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        found = _decades(self.low, self.high) if self.log else _round_numbers(self.low, self.high)
        marks = self.marks or found
        return [(self.place(mark), f"{mark:.6g}") for mark in marks]


@dataclass(frozen=True)
class Words:
    """Places of words, evenly spread."""

    names: list[str]
    start: float
    end: float

    def place(self, value: Any) -> float:
        share = (self.names.index(str(value)) + 0.5) / len(self.names)
        return self.start + (self.end - self.start) * share

    def ticks(self) -> list[tuple[float, str]]:
        return [(self.place(name), name) for name in self.names]


def numbers(values: Sequence[float], start: float, end: float) -> Numbers:
    """An axis that has room for all values, at least one."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= _WIDE:
        return Numbers(low, high, start, end, log=True)
    if low == high:
        room = abs(low) / 10 or 1.0
        return Numbers(low - room, high + room, start, end)
    room = (high - low) * 0.04
    # What is never negative starts at no less than nothing.
    return Numbers(max(low - room, 0.0) if low >= 0 else low - room, high + room, start, end)


def axis(values: Sequence[Any], start: float, end: float, *, chosen: bool = False) -> Axis:
    """Of numbers if all of them are, else of words in the order of their first appearance. chosen: values that
    somebody has set, which are ticks where they are few."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        scale, marks = numbers(values, start, end), sorted(set(values))
        return replace(scale, marks=tuple(marks)) if chosen and len(marks) <= _FEW else scale
    return Words(list(dict.fromkeys(map(str, values))), start, end)


def _round_numbers(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if raw <= factor * power)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 times them where there are few, or else the two ends."""
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(tens) > 3 else (1, 2, 5)
    inside = [mark for ten in tens for factor in factors if low <= (mark := factor * 10.0**ten) <= high]
    return inside if len(inside) > 1 else [low, high]
