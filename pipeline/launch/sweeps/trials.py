"""A trial of a sweep, how it ends, and what hands trials out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.launch.sweeps.locks import Lock
from pipeline.runs.directory import CREATED, FAILED, FINISHED, INTERRUPTED, PRUNED, RunDirectory

# A state of a trial besides those of runs: none of its runs has started, or they wait to go on.
PENDING, STARTED = "pending", "running"
OVER = (FINISHED, FAILED, PRUNED)


@dataclass(frozen=True)
class Outcome:
    """How a trial stands. value: the mean of what its runs were optimized for, once all have finished; of a pruned
    trial what its run came to last."""

    state: str = PENDING
    value: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Trial:
    """number: from 0. overrides: only what varies, without seeds. runs: ids of its runs, once they are frozen."""

    number: int
    overrides: list[str]
    runs: list[str] = field(default_factory=list)
    outcome: Outcome = Outcome()


@dataclass(frozen=True)
class Claimed:
    """A trial that is this process's to work on, as long as it holds the lock."""

    number: int
    overrides: list[str]
    lock: Lock

    @property
    def name(self) -> str:
        return (
            f"trial {self.number} ({' '.join(self.overrides)})" if self.overrides else f"trial {self.number}"
        )


class Trials(Protocol):
    """Where trials come from and where their ends are kept; for several processes, and threads, at once."""

    def claim(self, size: int) -> list[Claimed]:
        """At most so many trials to work on now; none where others work on all that are left."""

    def all_over(self) -> bool:
        """Whether there is nothing more to do, or to wait for."""

    def runs(self, claimed: Claimed) -> list[RunDirectory]:
        """The frozen runs of a trial. Raises BadInput where its configuration cannot work."""

    def tell(self, claimed: Claimed, outcome: Outcome) -> None:
        """Keep how a trial ended."""

    def let_go(self, claimed: Claimed) -> None:
        """This process works on it no more, whether it has ended or not."""

    def all(self) -> list[Trial]:
        """Every trial that there is so far, by number."""


def outcome_of(runs: Sequence[RunDirectory]) -> Outcome:
    """How a trial stands whose runs differ in seed alone: finished where all have, failed where one has."""
    states = [run.state for run in runs]
    if FAILED in states:
        return Outcome(FAILED, error=runs[states.index(FAILED)].manifest().get("error"))
    if PRUNED in states:
        return Outcome(PRUNED)
    if all(state == FINISHED for state in states):
        values = [run.metrics().get("optimized_metric") for run in runs]
        numbers = [value for value in values if value is not None and math.isfinite(value)]
        whole = len(numbers) == len(values) > 0
        return Outcome(FINISHED, math.fsum(numbers) / len(numbers) if whole else None)
    idle = all(state in (CREATED, INTERRUPTED, FINISHED) for state in states)
    return Outcome(PENDING if idle else STARTED)
