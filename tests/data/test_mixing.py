"""What a mixture draws: in proportion to the weights, everything before anything twice, the same for all processes."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from pipeline.data.mixing import Mixing, Segment


def mixing(*counts: tuple[int, int]) -> Mixing:
    """(examples, drawn in an epoch) of each source."""
    starts = np.cumsum([0, *(examples for examples, _ in counts)])
    segments = [Segment(f"s{i}", int(starts[i]), *count) for i, count in enumerate(counts)]
    return Mixing(tuple(segments))


def source_of(mixed: Mixing, examples: np.ndarray) -> np.ndarray:
    return np.searchsorted([s.start for s in mixed.segments], examples, side="right") - 1


def test_an_epoch_has_as_many_of_each_as_it_should():
    mixed = mixing((100, 30), (10, 45), (7, 7))
    for epoch in range(5):
        drawn = mixed.draw(0, epoch)
        assert len(drawn) == mixed.size == 82
        assert np.bincount(source_of(mixed, drawn)).tolist() == [30, 45, 7]


@pytest.mark.parametrize(("examples", "drawn"), [(100, 30), (10, 45), (7, 7), (1, 5), (50, 1), (12, 8)])
def test_every_example_is_seen_before_one_is_seen_again(examples: int, drawn: int):
    mixed = mixing((3, 2), (examples, drawn))
    stream = [row for epoch in range(60) for row in mixed.draw(5, epoch) if row >= 3]
    counts: Counter[int] = Counter()
    for row in stream:
        counts[row] += 1
        seen = [counts[number] for number in range(3, 3 + examples)]
        assert max(seen) - min(seen) <= 1
    assert len(stream) == 60 * drawn


def test_each_pass_has_an_order_of_its_own():
    mixed = mixing((40, 40), (40, 40))
    first, second = mixed.draw(0, 0), mixed.draw(0, 1)
    orders = {tuple(part % 40) for drawn in (first, second) for part in (drawn[:40], drawn[40:])}
    assert len(orders) == 4, "an order is used twice"
    assert first.tolist() == mixed.draw(0, 0).tolist() != mixed.draw(1, 0).tolist()


def test_every_example_of_a_source_is_equally_likely_to_be_drawn():
    mixed = mixing((20, 3), (20, 3))
    first = [row for seed in range(2_000) for row in mixed.draw(seed, 0)]
    assert chisquare(np.bincount(first, minlength=40)).pvalue > 0.001


def test_tokens_are_those_of_what_is_drawn():
    mixed = mixing((100, 30), (10, 45), (7, 7))
    lengths = np.random.default_rng(0).integers(3, 60, 117)
    total = 0
    for epochs in range(9):
        assert mixed.tokens(lengths, 3, epochs) == total
        total += int(lengths[mixed.draw(3, epochs)].sum())
