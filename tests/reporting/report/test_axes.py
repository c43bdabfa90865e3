"""Places of values, and their labels."""

import math

import pytest

from pipeline.reporting.report.axes import Numbers, Words, axis, numbers


def test_numbers_are_placed_in_proportion():
    scale = Numbers(0.0, 10.0, 100.0, 200.0)
    assert [scale.place(value) for value in (0, 2.5, 10)] == [100, 125, 200]
    upward = Numbers(0.0, 10.0, 200.0, 100.0)
    assert upward.place(2.5) == 175


def test_what_spreads_widely_is_shown_by_magnitude():
    scale = numbers([1e-5, 1e-3, 1e-2], 0, 300)
    assert scale.log and scale.place(1e-4) == pytest.approx(100)
    assert [label for _, label in scale.ticks()] == ["1e-05", "0.0001", "0.001", "0.01"]
    assert not numbers([0.0, 1.0], 0, 1).log and not numbers([0.5, 0.9], 0, 1).log


@pytest.mark.parametrize(
    "values", [[0.123, 0.127], [3, 1_000_000_000], [-5.0, 5.0], [2, 2], [0, 0], [1e-9, 3e-9]]
)
def test_ticks_are_inside_and_a_few(values: list[float]):
    scale = numbers(values, 0, 100)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(-1e-6 <= place <= 100 + 1e-6 for place, _ in ticks)
    assert all(math.isclose(scale.place(float(label)), place, abs_tol=0.5) for place, label in ticks)
    assert all(0 <= scale.place(value) <= 100 for value in values)


def test_scores_do_not_start_below_nothing():
    assert numbers([0.0, 1.0], 0, 100).low == 0


def test_words_have_a_place_each_and_numbers_among_words_are_words():
    scale = axis(["lora", "full", "lora", 3], 0, 300)
    assert isinstance(scale, Words) and scale.names == ["lora", "full", "3"]
    assert [scale.place(each) for each in ("lora", "full", 3)] == [50, 150, 250]
    assert isinstance(axis([True, False], 0, 1), Words)
