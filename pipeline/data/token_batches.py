"""Optimizer steps of equally many tokens, whatever the lengths of the texts: many short ones, or a few long ones.

The number of steps is that of the data's tokens, so every epoch has as many; where one of them ends is where its share
of the tokens does. Processes and micro-batches then change the memory needed and not the result, as in
:mod:`pipeline.data.batches`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.batches import POOL_STEPS, EpochBatches, TrainingBatches

if TYPE_CHECKING:
    from pipeline.training.trainer_spec import TrainerSpec


def token_steps_per_epoch(tokens: int, batch_tokens: int) -> int:
    """Optimizer steps in one pass over data of so many tokens: none has more than `batch_tokens` on average."""
    return max(1, math.ceil(tokens / batch_tokens))


def token_micro_batches(batch_tokens: int, world_size: int, micro_tokens: int | None) -> int:
    """How many micro-batches one process accumulates to one optimizer step."""
    share = math.ceil(batch_tokens / world_size)
    return math.ceil(share / (micro_tokens or share))


def cut_by_tokens(order: np.ndarray, lengths: np.ndarray, count: int) -> list[np.ndarray]:
    """`count` parts of `order`, in order, each of equally many tokens: no part differs by a whole example."""
    ends = np.cumsum(lengths[order])
    # Whole numbers throughout: the same parts on every machine.
    bounds = np.searchsorted(ends * count, ends[-1] * np.arange(1, count), side="right")
    return np.split(order, bounds)


class TokenBatches(EpochBatches):
    """Steps of equally many tokens. Give it what :func:`enough_for_all` holds for."""

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_tokens: int,
        micro_tokens: int | None,
        world_size: int,
        **options: Any,
    ) -> None:
        accumulate = token_micro_batches(batch_tokens, world_size, micro_tokens)
        super().__init__(lengths, accumulate, world_size=world_size, **options)
        drawn = lengths if self.mixing is None else lengths[self.mixing.draw(self.seed, 0)]
        self.count = token_steps_per_epoch(int(drawn.sum()), batch_tokens)

    def steps(self, epoch: int) -> list[np.ndarray]:
        generator = np.random.default_rng([self.seed, epoch, 0])
        drawn = len(self.lengths) if self.mixing is None else self.mixing.draw(self.seed, epoch)
        order = generator.permutation(drawn)
        if self.group_by_length:
            size = math.ceil(POOL_STEPS * len(order) / self.count)
            pools = [order[start : start + size] for start in range(0, len(order), size)]
            # To and fro: a step that ends in the next pool finds texts of its own length there.
            order = np.concatenate(
                [
                    part[np.argsort((-1) ** (number + 1) * self.lengths[part], kind="stable")]
                    for number, part in enumerate(pools)
                ]
            )
        steps = cut_by_tokens(order, self.lengths, self.count)
        if min(map(len, steps)) < self.world_size * self.accumulate:
            # Of a mixture that happens to draw less than in its first epoch.
            steps = np.array_split(order, self.count)
        return [steps[i] for i in generator.permutation(self.count)]

    def micro_batches(self, step: np.ndarray) -> list[np.ndarray]:
        mine = step[self.rank :: self.world_size]
        parts = cut_by_tokens(mine, self.lengths, self.accumulate)
        return parts if all(map(len, parts)) else np.array_split(mine, self.accumulate)

    def __len__(self) -> int:
        return self.count * self.accumulate


def enough_for_all(
    tokens: int, longest: int, batch_tokens: int, world_size: int, micro_tokens: int | None
) -> bool:
    """Whether every micro-batch of every process gets an example, in whatever order the data comes.

    A step has more tokens than its share of them less the longest text, so at least share // longest texts.
    """
    share = tokens / token_steps_per_epoch(tokens, batch_tokens)
    return share // longest >= world_size * token_micro_batches(batch_tokens, world_size, micro_tokens)


def training_batches(
    lengths: np.ndarray,
    settings: TrainerSpec,
    *,
    micro_batch: int | None,
    micro_tokens: int | None,
    **options: Any,
) -> EpochBatches:
    """What the settings of training ask for. options: world_size, rank, seed, mixing."""
    options["group_by_length"] = settings.group_by_length
    if settings.batch_tokens is None:
        return TrainingBatches(lengths, batch_size=settings.batch_size, micro_batch=micro_batch, **options)
    return TokenBatches(lengths, batch_tokens=settings.batch_tokens, micro_tokens=micro_tokens, **options)
