"""Intervals and paired tests, against scipy.stats and against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from pipeline.reporting.statistics import paired, summary


@pytest.mark.parametrize("count", [2, 3, 10, 40])
def test_an_interval_is_students(count: int):
    values = np.random.default_rng(count).normal(0.8, 0.03, count)
    found = summary(list(values))
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.mean, found.sd, found.count) == pytest.approx((values.mean(), values.std(ddof=1), count))


def test_an_interval_by_hand():
    # Mean 2, deviation 1, and t of 2 degrees of freedom at 97.5 % is 4.302653: 2 ± 4.302653 / √3.
    found = summary([1.0, 2.0, 3.0])
    assert (found.mean, found.sd) == (2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((-0.484138, 4.484138), abs=1e-6)


def test_one_value_has_no_interval():
    found = summary([0.5])
    assert (found.mean, found.sd, found.low, found.high, found.count) == (0.5, None, None, None, 1)


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_a_paired_test_is_scipys(count: int):
    draw = np.random.default_rng(count)
    ours, others = draw.normal(0.8, 0.03, count), draw.normal(0.79, 0.03, count)
    found = paired(dict(enumerate(ours)), dict(enumerate(others)))
    assert found.p == pytest.approx(stats.ttest_rel(ours, others).pvalue, rel=1e-9)
    assert found.difference == pytest.approx((ours - others).mean()) and found.pairs == count


def test_only_seeds_in_common_are_paired():
    found = paired({0: 0.5, 1: 0.6, 7: 0.1}, {1: 0.7, 0: 0.55, 9: 0.9})
    assert found.pairs == 2 and found.difference == pytest.approx(-0.075)
    assert found.p == pytest.approx(stats.ttest_rel([0.5, 0.6], [0.55, 0.7]).pvalue)
    assert not found.shown


def test_with_fewer_than_two_pairs_there_is_no_test():
    assert paired({0: 0.5}, {0: 0.75}) == paired({0: 0.5, 1: 1.0}, {0: 0.75, 2: 1.0})
    assert (paired({0: 0.5}, {0: 0.75}).p, paired({0: 0.5}, {0: 0.75}).difference) == (None, -0.25)
    assert paired({}, {}).difference is None


def test_equal_scores_show_no_difference_and_constant_ones_do():
    assert paired({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7}).p == 1.0
    same = paired({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.5})
    assert same.p == 0.0 and same.shown
