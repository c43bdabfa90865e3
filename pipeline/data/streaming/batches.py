"""Training batches of a stream: the same on any number of processes and workers, and from any place of an epoch on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pipeline.data.batches import POOL_STEPS, TrainingBatches
from pipeline.data.streaming.pools import DRAWN, Pool, Pools
from pipeline.errors import BadInput, Problem, RunFailed

if TYPE_CHECKING:
    from pipeline.data.augmentation import WordChanges
    from pipeline.data.streaming.facts import StreamFacts
    from pipeline.sources.reading.stream import FileStream

# Rows, role -> values, to features.
Encode = Callable[[Mapping[str, list[Any]]], dict[str, list[Any]]]
Collate = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Failure:
    """What stopped the reading in a worker: exceptions lose their content on the way from there."""

    problems: list[Problem]


class StreamedBatches(IterableDataset):
    """Collated micro-batches of one process.

    Rows are taken in pools of 50 optimizer steps; a pool is shuffled, sorted by length, cut into steps and these dealt
    to processes as an epoch of stored rows is (see :class:`pipeline.data.batches.TrainingBatches`). Every worker reads
    all rows, which is cheap, and encodes its own, which is not: worker w of W makes each W-th micro-batch from the w-th
    on, in which order a DataLoader hands them out.

    steps: optimizer steps of the run, where an epoch's length is not known: one epoch then goes over the data as often
    as it takes, each time without a few rows of its last pool, which are no full step.
    """

    def __init__(
        self,
        stream: FileStream,
        facts: StreamFacts,
        encode: Encode,
        collate: Collate,
        *,
        batch_size: int,
        micro_batch: int | None,
        world_size: int,
        rank: int,
        seed: int,
        group_by_length: bool,
        steps: int | None = None,
        changes: WordChanges | None = None,
    ) -> None:
        self.pools = Pools(stream, facts, seed=seed, size=POOL_STEPS * batch_size, world_size=world_size)
        self.facts, self.encode, self.collate, self.changes = facts, encode, collate, changes
        self.batch_size, self.steps, self.group_by_length = batch_size, steps, group_by_length
        self.options: dict[str, Any] = {
            "batch_size": batch_size,
            "micro_batch": micro_batch,
            "world_size": world_size,
            "rank": rank,
            "seed": seed,
            "group_by_length": group_by_length,
        }
        # Of as many rows as there are, none of which is held: it knows their number.
        self.whole = TrainingBatches(np.broadcast_to(np.int64(0), sum(facts.counts)), **self.options)
        self.epoch, self.skip = 0, 0

    def start_at(self, epoch: int, batch: int = 0) -> None:
        """The next iteration is over `epoch`, without its first `batch` micro-batches."""
        self.epoch, self.skip = epoch, batch

    def __len__(self) -> int:
        """Micro-batches of an epoch."""
        return len(self.whole) if self.steps is None else self.steps * self.whole.accumulate

    def __iter__(self) -> Iterator[Any]:
        # Not a generator itself: where it starts is decided now, in the process that made the workers.
        return self._collated(self.epoch, self.skip)

    def first(self, count: int) -> dict[str, list[Any]]:
        """The first few rows of the first epoch: role -> values."""
        pool = next(self.pools.of(0))
        return pool.rows(range(min(count, len(pool.numbers))))

    def examples(self, count: int) -> list[dict[str, Any]]:
        """Their features, as many, unchanged."""
        rows = self.first(count)
        return self._features(rows, list(range(count)))[:count]

    def _collated(self, epoch: int, skip: int) -> Iterator[Any]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        batches = self._batches(epoch, skip) if self.steps is None else self._endless(epoch, skip)
        try:
            for number, (pool, places, passed) in enumerate(batches):
                if number % workers == mine:
                    yield self._batch(pool, places, passed)
        except BadInput as bad:
            yield Failure(bad.problems)

    def _batch(self, pool: Pool, places: list[int], epoch: int) -> dict[str, Any]:
        rows = self._features(pool.rows(places), pool.numbers[places].tolist())
        if self.changes is not None:
            rows = [self.changes(row, epoch, row["index"]) for row in rows]
        return self.collate(rows)

    def _features(self, rows: Mapping[str, list[Any]], numbers: list[int]) -> list[dict[str, Any]]:
        """What the rows of these numbers become."""
        features = self.encode(rows)
        row_of = features.pop("row", range(len(features["length"])))
        return [
            {"index": numbers[row], **{name: values[i] for name, values in features.items()}}
            for i, row in enumerate(row_of)
        ]

    def _dealt(self, pool: Pool, epoch: int, number: int) -> TrainingBatches:
        """The micro-batches of this process in one pool."""
        lengths = pool.lengths() if self.group_by_length else np.zeros(len(pool.numbers), dtype=np.int64)
        batches = TrainingBatches(lengths, **self.options, pool=number)
        batches.start_at(epoch)
        return batches

    def _batches(self, epoch: int, skip: int) -> Iterator[tuple[Pool, list[int], int]]:
        """Of one epoch: the pool, the places in it, and the number of the pass over the data."""
        each = POOL_STEPS * self.whole.accumulate
        first = min(skip // each, len(self.pools.sizes()) - 1)
        done = first * each
        for number, pool in enumerate(self.pools.of(epoch, first), start=first):
            for places in self._dealt(pool, epoch, number):
                if done >= skip:
                    yield pool, places, epoch
                done += 1

    def _endless(self, epoch: int, skip: int) -> Iterator[tuple[Pool, list[int], int]]:
        """Of passes over the data until all steps are made."""
        done, total = 0, len(self)
        for passed in range(epoch, epoch + total):
            before = done
            for number, pool in enumerate(self.pools.of(passed)):
                full = len(pool.numbers) // self.batch_size * self.batch_size
                count = full // self.batch_size * self.whole.accumulate
                if done + count <= skip:
                    done += count
                elif full:
                    if full < len(pool.numbers):
                        pool = pool.part(full, [self.pools.seed, passed, number, DRAWN])
                    for places in self._dealt(pool, passed, number):
                        if skip <= done < total:
                            yield pool, places, passed
                        done += 1
                if done >= total:
                    return
            if done == before:
                what = f"has fewer rows than the {self.batch_size} of one optimizer step"
                raise BadInput(Problem("data.train", what, "more rows, or a smaller trainer.batch_size"))


class StreamLoader(DataLoader):
    """Each iteration is the next epoch. Raises RunFailed for data that cannot be read or encoded."""

    def __init__(
        self, batches: StreamedBatches, *, workers: int, seed: int, pin_memory: bool = False
    ) -> None:
        # A generator of its own: starting an iterator must not draw from the generator that dropout uses.
        super().__init__(
            batches,
            batch_size=None,
            num_workers=workers,
            generator=torch.Generator().manual_seed(seed),
            pin_memory=pin_memory,
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        found = super().__iter__()
        batches: Any = self.dataset
        batches.start_at(batches.epoch + 1)
        for batch in found:
            if isinstance(batch, Failure):
                raise RunFailed("\n".join(str(problem) for problem in batch.problems))
            yield batch
