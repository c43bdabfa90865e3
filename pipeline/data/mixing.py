"""Which examples of a mixture of sources an epoch trains on.

Rows are encoded once, those of a source one after the other. An epoch draws a fixed number of examples of every
source, without replacement: a source is gone through in an order of its own, the next epoch goes on where this one
stopped, and only when all were seen does it begin again, in a new order. What is drawn follows from the seed and the
number of the epoch alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.sources.base import Source


@dataclass(frozen=True)
class Segment:
    """A source's training examples: ``examples`` from number ``start`` on, of which an epoch draws ``drawn``."""

    name: str
    start: int
    examples: int
    drawn: int


@dataclass(frozen=True)
class Mixing:
    """The sources of a mixture, in the order in which their examples lie."""

    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """Examples that an epoch draws."""
        return sum(segment.drawn for segment in self.segments)

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """Numbers of the examples of an epoch, source after source: shape (size,)."""
        return np.concatenate(
            [
                part
                for number, segment in enumerate(self.segments)
                for part in _drawn(segment, number, seed, epoch * segment.drawn, (epoch + 1) * segment.drawn)
            ]
        )

    def tokens(self, lengths: np.ndarray, seed: int, epochs: int) -> int:
        """Tokens of the first ``epochs`` epochs, from those of every example."""
        total = 0
        for number, segment in enumerate(self.segments):
            passes, rest = divmod(epochs * segment.drawn, segment.examples)
            whole = lengths[segment.start : segment.start + segment.examples].sum()
            last = _order(segment, number, seed, passes)[:rest]
            total += passes * int(whole) + int(lengths[last].sum())
        return total

    def table(self, rows: Mapping[str, int]) -> list[tuple[str, str]]:
        """Lines of a plan: each source with its rows, its share and how often an epoch sees an example of it."""
        return [
            (
                f"  {segment.name}",
                f"{rows[segment.name]:,} rows"
                + (f" in {segment.examples:,} examples" if segment.examples != rows[segment.name] else "")
                + f", {segment.drawn / self.size:.1%} of an epoch, "
                + f"each seen {segment.drawn / segment.examples:.3g} × an epoch",
            )
            for segment in self.segments
        ]


def mixing(source: Source, segments: Mapping[str, Mapping[str, int]]) -> Mixing | None:
    """How a mixture is drawn from; None for any other source.

    segments: source -> {"rows", "examples"} of its training data, in the order in which they lie.
    """
    if not segments:
        return None
    examples = {name: counts["examples"] for name, counts in segments.items()}
    drawn = source.draws(examples)
    starts = np.cumsum([0, *examples.values()]).tolist()
    return Mixing(
        tuple(
            Segment(name, start, count, drawn[name])
            for start, (name, count) in zip(starts, examples.items(), strict=False)
        )
    )


def _drawn(segment: Segment, number: int, seed: int, start: int, stop: int) -> Iterator[np.ndarray]:
    """The examples from place ``start`` to ``stop`` of a source's endless order: one pass after another."""
    while start < stop:
        passes, place = divmod(start, segment.examples)
        part = _order(segment, number, seed, passes)[place : place + stop - start]
        yield part
        start += len(part)


def _order(segment: Segment, number: int, seed: int, passes: int) -> np.ndarray:
    """The order of one pass through a source."""
    # Never what [seed, epoch] gives: numpy takes missing numbers for zeros, and the last one here is none.
    generator = np.random.default_rng([seed, passes, number + 1])
    return segment.start + generator.permutation(segment.examples)
