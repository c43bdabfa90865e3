"""Which examples make which batch: shuffled, of similar length, the same for every number of processes.

One optimizer step holds `batch_size` examples whatever the machine: its examples are dealt to the processes and
cut there into micro-batches, so changing the hardware changes the memory needed and not the result.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.data.mixing import Mixing

# Steps whose examples are sorted together: large enough to pad little, small enough to stay random.
POOL_STEPS = 50


def micro_batches_per_step(batch_size: int, world_size: int, micro_batch: int | None) -> int:
    """How many micro-batches one process accumulates to one full optimizer step."""
    share = max(1, batch_size // world_size)
    return min(share, math.ceil(math.ceil(batch_size / world_size) / (micro_batch or batch_size)))


def steps_per_epoch(rows: int, batch_size: int, world_size: int) -> int:
    """Optimizer steps in one pass over `rows` examples."""
    full, tail = divmod(rows, batch_size)
    return max(1, full + (1 if tail >= world_size else 0))


def epoch_steps(
    lengths: np.ndarray,
    batch_size: int,
    world_size: int,
    seed: int,
    epoch: int,
    group_by_length: bool,
    pool: int = 0,
    mixing: Mixing | None = None,
) -> list[np.ndarray]:
    """The examples of each optimizer step of one epoch, or of one pool of it where they are streamed; each once, or
    as ``mixing`` draws them.

    An incomplete step comes last; one too small to give every process an example joins the step before it.
    """
    generator = np.random.default_rng([seed, epoch, pool])
    order = generator.permutation(len(lengths) if mixing is None else mixing.draw(seed, epoch))
    if group_by_length:
        size = POOL_STEPS * batch_size
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        order = np.concatenate([part[np.argsort(-lengths[part], kind="stable")] for part in pools])
    count = steps_per_epoch(len(order), batch_size, world_size)
    steps = [order[i * batch_size : (i + 1) * batch_size] for i in range(count)]
    steps[-1] = order[(count - 1) * batch_size :]
    # The last step stays last: it alone may have fewer micro-batches.
    shuffled = generator.permutation(count - 1)
    return [steps[i] for i in shuffled] + [steps[-1]]


class EpochBatches(ABC):
    """Batch sampler of one process, epoch after epoch; `start_at` resumes inside one.

    Iterating yields the row numbers of each micro-batch; the length is always that of the whole epoch. `accumulate` is
    how many of them are a full optimizer step.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        accumulate: int,
        *,
        world_size: int,
        rank: int,
        seed: int,
        group_by_length: bool,
        mixing: Mixing | None = None,
    ) -> None:
        self.lengths, self.accumulate, self.seed, self.mixing = lengths, accumulate, seed, mixing
        self.world_size, self.rank, self.group_by_length = world_size, rank, group_by_length
        self.epoch, self.skip = 0, 0

    def start_at(self, epoch: int, batch: int = 0) -> None:
        """The next iteration is over `epoch`, without its first `batch` micro-batches."""
        self.epoch, self.skip = epoch, batch

    @abstractmethod
    def steps(self, epoch: int) -> list[np.ndarray]:
        """The examples of each optimizer step, over all processes."""

    @abstractmethod
    def micro_batches(self, step: np.ndarray) -> list[np.ndarray]:
        """What of a step this process does, and how it is cut."""

    @abstractmethod
    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[int]]:
        batches = (batch for step in self.steps(self.epoch) for batch in self.micro_batches(step))
        skip, self.skip = self.skip, 0
        self.epoch += 1
        for number, batch in enumerate(batches):
            if number >= skip:
                yield batch.tolist()


class TrainingBatches(EpochBatches):
    """Steps of equally many examples."""

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_size: int,
        micro_batch: int | None,
        world_size: int,
        pool: int = 0,
        **options: Any,
    ) -> None:
        accumulate = micro_batches_per_step(batch_size, world_size, micro_batch)
        super().__init__(lengths, accumulate, world_size=world_size, **options)
        self.batch_size, self.pool = batch_size, pool

    def micro_batches(self, step: np.ndarray) -> list[np.ndarray]:
        # Dealing (0, n, 2n, …) rather than cutting gives every process similar lengths.
        mine = step[self.rank :: self.world_size]
        if len(step) >= self.batch_size:
            return np.array_split(mine, self.accumulate)
        smallest = len(step) // self.world_size
        per_batch = math.ceil(math.ceil(self.batch_size / self.world_size) / self.accumulate)
        count = min(
            self.accumulate, max(1, smallest), math.ceil(math.ceil(len(step) / self.world_size) / per_batch)
        )
        return np.array_split(mine, count)

    def steps(self, epoch: int) -> list[np.ndarray]:
        return epoch_steps(
            self.lengths,
            self.batch_size,
            self.world_size,
            self.seed,
            epoch,
            self.group_by_length,
            self.pool,
            self.mixing,
        )

    def __len__(self) -> int:
        rows = len(self.lengths) if self.mixing is None else self.mixing.size
        count = steps_per_epoch(rows, self.batch_size, self.world_size)
        last = np.arange((count - 1) * self.batch_size, rows)
        return (count - 1) * self.accumulate + len(self.micro_batches(last))


def tokens_to_steps(batches: EpochBatches, budget: int) -> int:
    """Optimizer steps until `budget` tokens have been seen, rounded up."""
    seen = steps = epoch = 0
    while seen < budget:
        for step in batches.steps(epoch):
            if seen < budget:
                seen += int(batches.lengths[step].sum())
                steps += 1
        epoch += 1
    return steps


class EvaluationBatches:
    """Batch sampler without gradients: every example exactly once over all processes, longest first.

    rows: the row of data that each example is a part of, ascending; None: each is a row of its own. Examples of one
    row follow each other in one process, so that what is said of the row is complete early.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_size: int,
        world_size: int,
        rank: int,
        rows: np.ndarray | None = None,
    ) -> None:
        # Dealt like the examples of a training step: no process is without a batch while there are rows for all.
        if rows is None or len(np.unique(rows)) == len(rows):
            mine = np.argsort(-lengths, kind="stable")[rank::world_size]
        else:
            starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 1))
            longest = np.maximum.reduceat(lengths, starts)
            chosen = np.argsort(-longest, kind="stable")[rank::world_size]
            parts = np.split(np.arange(len(rows)), starts[1:])
            mine = np.concatenate([parts[row] for row in chosen]) if len(chosen) else chosen
        self.batches = [
            mine[start : start + batch_size].tolist() for start in range(0, len(mine), batch_size)
        ]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
