"""Steps of equally many tokens, by brute force over many sizes: every example once, the same steps on any hardware."""

import itertools

import numpy as np
import pytest

from pipeline.data.batches import EpochBatches, TrainingBatches, tokens_to_steps
from pipeline.data.mixing import Mixing, Segment
from pipeline.data.token_batches import TokenBatches, enough_for_all, token_steps_per_epoch, training_batches
from pipeline.training.trainer_spec import TrainerSpec

ROWS = [1, 7, 33, 100, 400]
BUDGETS = [60, 200, 1_000, 10**6]
WORLDS = [1, 2, 3]
MICRO = [None, 59, 250]


def lengths(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(3, 60, rows)


def fits(rows: int, budget: int, world: int, micro: int | None) -> bool:
    size = lengths(rows)
    return enough_for_all(int(size.sum()), int(size.max()), budget, world, micro)


GRID = [grid for grid in itertools.product(ROWS, BUDGETS, WORLDS, MICRO) if fits(*grid)]


def samplers(rows: int, budget: int, world: int, micro: int | None, **options) -> list[TokenBatches]:
    settings = {"seed": 0, "group_by_length": True, **options}
    return [
        TokenBatches(
            lengths(rows), batch_tokens=budget, micro_tokens=micro, world_size=world, rank=rank, **settings
        )
        for rank in range(world)
    ]


def steps_of(batches: list[list[int]], accumulate: int) -> list[list[int]]:
    groups = [batches[start : start + accumulate] for start in range(0, len(batches), accumulate)]
    return [[row for batch in group for row in batch] for group in groups]


def test_the_grid_has_what_is_to_be_tried():
    assert len(GRID) > 50
    assert {grid[2] for grid in GRID} == set(WORLDS)
    assert {grid[3] for grid in GRID} == set(MICRO)
    assert not fits(7, 60, 3, None)


@pytest.mark.parametrize("group", [True, False])
def test_every_example_once_an_epoch_and_every_epoch_as_long(group: bool):
    for grid in GRID:
        every = samplers(*grid, group_by_length=group)
        for _ in range(3):
            batches = [list(sampler) for sampler in every]
            seen = sorted(row for of_rank in batches for batch in of_rank for row in batch)
            assert seen == list(range(grid[0])), grid
            assert [len(of_rank) for of_rank in batches] == [len(sampler) for sampler in every], grid
            assert all(batch for of_rank in batches for batch in of_rank), grid


def test_optimizer_steps_are_the_same_examples_on_any_hardware():
    for rows, budget, world, micro in GRID:
        (alone,) = samplers(rows, budget, 1, None)
        every = samplers(rows, budget, world, micro)
        by_rank = [steps_of(list(sampler), sampler.accumulate) for sampler in every]
        together = [sorted(itertools.chain(*step)) for step in zip(*by_rank, strict=True)]
        assert together == [sorted(step) for step in alone], (rows, budget, world, micro)


def test_steps_have_equally_many_tokens():
    for rows, budget in itertools.product([100, 400], [200, 1_000]):
        size = lengths(rows)
        (sampler,) = samplers(rows, budget, 1, None)
        tokens = [size[step].sum() for step in sampler.steps(0)]
        share = size.sum() / token_steps_per_epoch(int(size.sum()), budget)
        assert share <= budget
        assert max(abs(count - share) for count in tokens) < size.max(), (rows, budget)
        # Of equal numbers of examples this is not true.
        examples = TrainingBatches(
            size, batch_size=8, micro_batch=None, world_size=1, rank=0, seed=0, group_by_length=True
        )
        counted = [size[step].sum() for step in examples.steps(0)]
        assert np.std(counted) > 2 * np.std(tokens)


def test_micro_batches_have_about_the_tokens_asked_for():
    size = lengths(400)
    for world in WORLDS:
        for sampler in samplers(400, 1_000, world, 250):
            # Dealing to processes and cutting for accumulation each move at most a text.
            assert max(size[batch].sum() for batch in sampler) < 250 + 2 * size.max(), world


def test_a_step_over_the_edge_of_a_pool_has_texts_of_one_length():
    """A thousand short texts and ten long ones: padded, no step is many times its tokens."""
    size = np.random.default_rng(0).permutation(np.r_[np.full(20_000, 5), np.full(200, 500)])
    (sampler,) = [
        TokenBatches(
            size, batch_tokens=1_000, micro_tokens=None, world_size=1, rank=0, seed=0, group_by_length=True
        )
    ]
    padded = [len(step) * size[step].max() for step in sampler.steps(0)]
    # Each pool has one step in which long texts meet short ones.
    assert sum(cost > 2_000 for cost in padded) <= -(-len(padded) // 50)
    assert sum(padded) / size.sum() < 2


def test_similar_lengths_together_waste_less_padding():
    def padding(group: bool) -> float:
        size = lengths(4_000)
        (sampler,) = samplers(4_000, 500, 1, None, group_by_length=group)
        return sum(len(batch) * size[batch].max() for batch in sampler) / size.sum() - 1

    assert padding(True) < 0.05 < padding(False)


def test_it_starts_anywhere_in_an_epoch():
    for grid in [(400, 1_000, 1, None), (400, 1_000, 2, 250)]:
        for sampler, fresh in zip(samplers(*grid), samplers(*grid), strict=True):
            epochs = [list(sampler) for _ in range(3)]
            assert epochs[0] != epochs[1]
            for start in range(len(epochs[1]) + 1):
                fresh.start_at(1, start)
                assert list(fresh) == epochs[1][start:]
                assert list(fresh) == epochs[2]


MIXED = Mixing((Segment("a", 0, 300, 150), Segment("b", 300, 100, 250)))


def test_of_a_mixture_every_epoch_has_as_many_steps_too():
    for world, micro in itertools.product(WORLDS, [None, 250]):
        every = samplers(400, 1_000, world, micro, mixing=MIXED)
        for _ in range(5):
            batches = [list(sampler) for sampler in every]
            assert {len(of_rank) for of_rank in batches} == {len(every[0])}
            assert sum(len(batch) for of_rank in batches for batch in of_rank) == MIXED.size
            assert all(batch for of_rank in batches for batch in of_rank)


def test_a_step_too_small_for_all_gets_its_share_of_examples():
    """Texts of 50 tokens, and a draw of so few tokens cannot be foreseen: simulated by a sampler told otherwise."""
    (sampler,) = samplers(33, 200, 1, None)
    sampler.accumulate = 5
    assert min(map(len, sampler.steps(0))) >= 33 // sampler.count


def test_a_budget_of_all_tokens_is_rounded_up_to_steps():
    (sampler,) = samplers(100, 200, 1, None, mixing=None)
    total = int(lengths(100).sum())
    assert tokens_to_steps(sampler, 1) == 1
    assert tokens_to_steps(sampler, total) == sampler.count
    assert tokens_to_steps(sampler, total + 1) == sampler.count + 1


@pytest.mark.parametrize(("settings", "kind"), [({}, TrainingBatches), ({"batch_tokens": 500}, TokenBatches)])
def test_settings_say_what_is_counted(settings: dict, kind: type[EpochBatches]):
    made = training_batches(
        lengths(100),
        TrainerSpec(**settings),
        micro_batch=None,
        micro_tokens=None,
        world_size=1,
        rank=0,
        seed=0,
    )
    assert type(made) is kind
    assert made.group_by_length
