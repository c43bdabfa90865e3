"""Bases of the leaves of a run: optimizers, schedulers, callbacks and loggers declare themselves here."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger
    from torch.optim import Optimizer


@dataclass(frozen=True)
class RunFacts:
    """What callbacks and loggers may need to know of the run that they are built for."""

    folder: Path
    id: str
    name: str
    task: str
    tags: tuple[str, ...]
    group: str | None
    config: dict[str, Any]
    # How often this run was started before. A logger that cannot append starts a new segment each time.
    segment: int
    total_steps: int
    monitor: str
    mode: str


class BuildsOptimizer(Protocol):
    """An optimizer's spec, of ours or of another library's class."""

    @property
    def lr(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer": ...


class BuildsScheduler(Protocol):
    """A scheduler's spec, of ours or of another library's class."""

    def build(self, optimizer: Any, total_steps: int, monitor: str, mode: str) -> list[dict[str, Any]]: ...


@component
class OptimizerSpec:
    """Base of optimizers. ``build`` gets the strategy's parameter groups."""

    # Whether it updates each number of a weight by itself, so that weights may be cut over processes.
    shardable: ClassVar[bool] = True

    # Peak learning rate. In the shipped files: what suits the strategy.
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        raise NotImplementedError


@component
class SchedulerSpec:
    """Base of learning-rate schedulers: warmup in steps, or as a ratio of all steps when steps is null."""

    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.06

    def warmup(self, total_steps: int) -> int:
        """Warmup length in optimizer steps."""
        return self.warmup_steps if self.warmup_steps is not None else round(self.warmup_ratio * total_steps)

    def build(
        self, optimizer: "Optimizer", total_steps: int, monitor: str, mode: str
    ) -> list[dict[str, Any]]:
        """Lightning scheduler configurations (``scheduler``, ``interval``, …)."""
        raise NotImplementedError


@component
class CallbackSpec:
    """Base of callbacks."""

    # Whether the run's numbers can depend on it; if so it is part of the run's identity.
    affects_result: ClassVar[bool] = True
    # Copies of the trained weights that it keeps in memory and in the checkpoint to continue from.
    weight_copies: ClassVar[int] = 0

    def build(self, facts: RunFacts) -> "Callback | None":
        raise NotImplementedError


@component
class LoggerSpec:
    """Base of loggers."""

    def check(self) -> None:
        """Raise BadInput where this logger cannot work here (a missing package, no login)."""

    def build(self, facts: RunFacts) -> "Logger | None":
        raise NotImplementedError
