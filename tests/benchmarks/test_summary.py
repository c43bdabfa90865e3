"""Means, intervals and pairs of the benchmark's table."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.summary import COLUMNS, markdown, mean_and_interval, summarize, table


def run(side: str, seed: int, accuracy: float) -> dict:
    return {"strategy": "lora", "side": side, "seed": seed, "accuracy": accuracy}


def test_interval_is_that_of_scipy():
    values = [82.4, 83.1, 81.9]
    mean, half = mean_and_interval(values)
    low, high = stats.t.interval(0.95, df=2, loc=np.mean(values), scale=stats.sem(values))
    assert mean == pytest.approx(np.mean(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_has_no_interval():
    assert mean_and_interval([82.4]) == (82.4, None)


def test_seeds_are_compared_in_pairs_and_lonely_ones_left_out():
    runs = [
        run("hydratune", 0, 0.80),
        run("hf_trainer", 0, 0.79),
        run("hydratune", 1, 0.82),
        run("hf_trainer", 1, 0.83),
        run("hydratune", 2, 0.10),
    ]
    summary = summarize(runs)["lora"]
    assert summary["seeds"] == [0, 1]
    assert summary["hydratune"]["mean"] == pytest.approx(81)
    assert summary["difference"]["mean"] == pytest.approx(0)
    # Student's t with one degree of freedom: 12.7 standard errors of 1 point.
    assert summary["difference"]["interval95"] == pytest.approx(math.tan(0.475 * math.pi))


def test_a_strategy_without_a_pair_is_not_in_the_table():
    assert summarize([run("hydratune", 0, 0.8)]) == {}


def test_table_ends_with_the_baseline():
    summary = summarize([run("hydratune", 0, 0.81), run("hf_trainer", 0, 0.80)])
    rows = table(summary, {"name": "TF-IDF", "accuracy": 0.75})
    assert rows[0] == ("lora", "81.00", "80.00", "+1.00", "1")
    assert rows[-1][:2] == ("TF-IDF", "75.00")
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert markdown(rows).splitlines()[2] == "| lora | 81.00 | 80.00 | +1.00 | 1 |"
