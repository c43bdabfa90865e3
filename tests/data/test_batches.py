"""Batches by brute force over many sizes: every example once, the same optimizer steps on any hardware."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from pipeline.data.batches import (
    EvaluationBatches,
    TrainingBatches,
    epoch_steps,
    micro_batches_per_step,
    steps_per_epoch,
    tokens_to_steps,
)
from pipeline.data.mixing import Mixing, Segment

ROWS = [1, 2, 7, 16, 31, 32, 33, 65, 100]
BATCH = [1, 4, 8, 32]
WORLDS = [1, 2, 3]
MICRO = [None, 1, 2, 3, 8]
GRID = [g for g in itertools.product(ROWS, BATCH, WORLDS, MICRO) if g[1] >= g[2] and g[0] >= g[2]]


def lengths(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(3, 60, rows)


def samplers(rows: int, batch: int, world: int, micro: int | None, **options) -> list[TrainingBatches]:
    settings = {"seed": 0, "group_by_length": True, **options}
    return [
        TrainingBatches(
            lengths(rows), batch_size=batch, micro_batch=micro, world_size=world, rank=rank, **settings
        )
        for rank in range(world)
    ]


def steps_of(batches: list[list[int]], accumulate: int) -> list[list[int]]:
    """Micro-batches as Lightning groups them: an optimizer step every so many, and at the end."""
    groups = [batches[start : start + accumulate] for start in range(0, len(batches), accumulate)]
    return [[row for batch in group for row in batch] for group in groups]


def test_every_example_once_an_epoch_and_len_is_what_is_iterated():
    for grid in GRID:
        every = samplers(*grid)
        batches = [list(sampler) for sampler in every]
        seen = sorted(row for of_rank in batches for batch in of_rank for row in batch)
        assert seen == list(range(grid[0])), grid
        assert [len(of_rank) for of_rank in batches] == [len(sampler) for sampler in every], grid
        assert all(batch for of_rank in batches for batch in of_rank), grid
        # A process with fewer batches than another would wait for it for ever.
        assert len({len(of_rank) for of_rank in batches}) == 1, grid


def test_micro_batches_are_no_larger_than_asked():
    for rows, batch, world, micro in GRID:
        for sampler in samplers(rows, batch, world, micro):
            # The last step may hold a few rows more: those too few to make a step of every process.
            whole = list(sampler)[: (steps_per_epoch(rows, batch, world) - 1) * sampler.accumulate]
            # Every process has as many micro-batches as the one with the fewest examples can fill.
            most = min(micro or batch, batch) + bool(batch % world)
            assert all(len(rows) <= most for rows in whole), (rows, batch, world, micro)


def test_optimizer_steps_are_the_same_examples_on_any_hardware():
    for rows, batch in itertools.product(ROWS, BATCH):
        for world, micro in itertools.product(WORLDS, MICRO):
            if (rows, batch, world, micro) not in GRID:
                continue
            expected = epoch_steps(lengths(rows), batch, world, 0, 0, True)
            every = samplers(rows, batch, world, micro)
            by_rank = [steps_of(list(sampler), sampler.accumulate) for sampler in every]
            together = [sorted(itertools.chain(*step)) for step in zip(*by_rank, strict=True)]
            assert together == [sorted(step.tolist()) for step in expected], (rows, batch, world, micro)
            assert len(together) == steps_per_epoch(rows, batch, world)
            assert every[0].accumulate == micro_batches_per_step(batch, world, micro)


def test_worlds_that_fit_the_tail_make_equal_steps():
    for rows, batch in itertools.product(ROWS, BATCH):
        tail = rows % batch
        worlds = [world for world in WORLDS if tail == 0 or tail >= world]
        steps = [[step.tolist() for step in epoch_steps(lengths(rows), batch, w, 0, 0, True)] for w in worlds]
        assert all(each == steps[0] for each in steps), (rows, batch)


def test_a_tail_too_small_for_every_process_joins_the_step_before():
    assert [len(step) for step in epoch_steps(lengths(33), 8, 1, 0, 0, False)] == [8, 8, 8, 8, 1]
    assert [len(step) for step in epoch_steps(lengths(33), 8, 2, 0, 0, False)] == [8, 8, 8, 9]
    assert [len(step) for step in epoch_steps(lengths(5), 8, 1, 0, 0, False)] == [5]


def test_the_order_is_of_seed_and_epoch():
    def order(seed: int, epoch: int) -> list[list[int]]:
        (sampler,) = samplers(100, 8, 1, None, seed=seed)
        sampler.start_at(epoch)
        return list(sampler)

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    (sampler,) = samplers(100, 8, 1, None)
    assert [list(sampler), list(sampler)] == [order(0, 0), order(0, 1)]


def test_it_starts_anywhere_in_an_epoch():
    for grid in [(100, 8, 1, 2), (33, 8, 2, 2), (65, 8, 3, None)]:
        for sampler, fresh in zip(samplers(*grid), samplers(*grid), strict=True):
            epochs = [list(sampler) for _ in range(3)]
            for start in range(len(epochs[1]) + 1):
                fresh.start_at(1, start)
                assert list(fresh) == epochs[1][start:]
                assert list(fresh) == epochs[2]


def test_similar_lengths_together_waste_less_padding():
    size = lengths(1_000)

    def padding(group: bool) -> float:
        sampler = TrainingBatches(
            size, batch_size=16, micro_batch=None, world_size=1, rank=0, seed=0, group_by_length=group
        )
        padded = sum(len(batch) * size[batch].max() for batch in sampler)
        return padded / size.sum() - 1

    assert padding(True) < 0.05 < padding(False)


def test_a_budget_of_tokens_is_rounded_up_to_steps():
    of_four = TrainingBatches(
        np.full(20, 10), batch_size=4, micro_batch=None, world_size=1, rank=0, seed=0, group_by_length=True
    )
    for budget, steps in [(1, 1), (40, 1), (41, 2), (200, 5), (201, 6), (400, 10)]:
        assert tokens_to_steps(of_four, budget) == steps


@pytest.mark.parametrize("world", WORLDS)
def test_evaluation_covers_every_example_once(world: int):
    for rows, batch in itertools.product(ROWS, BATCH):
        parts = [
            EvaluationBatches(lengths(rows), batch_size=batch, world_size=world, rank=rank)
            for rank in range(world)
        ]
        batches = [list(part) for part in parts]
        assert sorted(row for part in batches for each in part for row in each) == list(range(rows))
        assert [len(part) for part in parts] == [len(part) for part in batches]
        assert max(len(each) for part in batches for each in part) <= batch


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("batch", [1, 4])
def test_windows_of_a_row_follow_each_other_in_one_process(world: int, batch: int):
    rows = np.repeat(np.arange(20), np.random.default_rng(0).integers(1, 5, 20))
    tokens = lengths(len(rows))
    seen: list[int] = []
    for rank in range(world):
        mine = EvaluationBatches(tokens, batch_size=batch, world_size=world, rank=rank, rows=rows)
        order = [example for each in mine for example in each]
        whole = [key for key, _ in itertools.groupby(rows[order].tolist())]
        assert len(whole) == len(set(whole)), "a row was left and come back to"
        longest = [tokens[rows == row].max() for row in whole]
        assert longest == sorted(longest, reverse=True)
        seen += order
    assert sorted(seen) == list(range(len(rows)))


def test_rows_with_one_example_each_change_nothing():
    options = {"batch_size": 4, "world_size": 2, "rank": 1}
    plain = EvaluationBatches(lengths(33), **options)
    assert list(EvaluationBatches(lengths(33), rows=np.arange(33), **options)) == list(plain)


WEIGHTS = (0.5, 0.3, 0.2)
# 300, 10 and 90 examples, of which an epoch draws by weight: one source is undersampled, one is seen 12 times.
MIXED = Mixing(
    tuple(
        Segment(name, start, examples, round(400 * weight))
        for name, start, examples, weight in zip("abc", (0, 300, 310), (300, 10, 90), WEIGHTS, strict=True)
    )
)


def mixed_samplers(batch: int, world: int, micro: int | None) -> list[TrainingBatches]:
    return samplers(400, batch, world, micro, mixing=MIXED)


def test_sources_are_sampled_by_their_weights():
    """Over epochs, and wherever in an epoch one looks: the sources of the first batch are a sample of the weights."""
    (sampler,) = mixed_samplers(8, 1, None)
    epochs = [list(sampler) for _ in range(300)]
    for rows in (
        [row for batch in epochs[0] for row in batch],
        [row for epoch in epochs for row in epoch[0]],
    ):
        seen = np.histogram(rows, bins=[0, 300, 310, 400])[0]
        assert chisquare(seen, np.array(WEIGHTS) * len(rows)).pvalue > 0.001
    # A test that could not tell equal shares from these would be none.
    assert chisquare(seen, np.full(3, len(rows) / 3)).pvalue < 1e-6


def test_processes_together_see_what_one_sees_of_a_mixture():
    for batch, world, micro in itertools.product([4, 32, 64], WORLDS, MICRO):
        every = mixed_samplers(batch, world, micro)
        (alone,) = mixed_samplers(batch, 1, None)
        for _ in range(3):
            by_rank = [steps_of(list(sampler), sampler.accumulate) for sampler in every]
            together = [sorted(itertools.chain(*step)) for step in zip(*by_rank, strict=True)]
            assert together == [sorted(step) for step in steps_of(list(alone), 1)], (batch, world, micro)
            assert len(together) == steps_per_epoch(MIXED.size, batch, world)


def test_a_mixture_starts_anywhere_in_an_epoch_and_knows_its_length():
    for sampler, fresh in zip(mixed_samplers(32, 2, 3), mixed_samplers(32, 2, 3), strict=True):
        epochs = [list(sampler) for _ in range(3)]
        assert {len(epoch) for epoch in epochs} == {len(sampler)}
        for start in range(len(epochs[1]) + 1):
            fresh.start_at(1, start)
            assert list(fresh) == epochs[1][start:]
            assert list(fresh) == epochs[2]


def test_a_budget_of_tokens_is_of_what_a_mixture_draws():
    size = lengths(400)
    budget = MIXED.tokens(size, 0, 2)
    (sampler,) = mixed_samplers(32, 1, None)
    steps = tokens_to_steps(sampler, budget)
    assert steps == 2 * steps_per_epoch(MIXED.size, 32, 1)
    assert tokens_to_steps(sampler, budget + 1) == steps + 1
