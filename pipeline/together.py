"""The same command on several machines, or in every process of a user's torchrun or srun: one prepares, the others
follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import RunFailed
from pipeline.launch import slurm
from pipeline.launch.meeting import words
from pipeline.launch.words import Words
from pipeline.launch.world import world
from pipeline.starting import work_on

if TYPE_CHECKING:
    from pipeline.compose.stages import Stage


@contextmanager
def first_of_all(stages: Sequence[Stage]) -> Iterator[Iterator[str] | None]:
    """The run directories to follow; None where it is this process that prepares and freezes."""
    shared = words(stages[0].spec.hardware)
    if shared is None or world().starter == slurm.STARTER:  # Led already.
        yield None
    elif not shared.leads:
        yield shared.runs()
    else:
        with shared.leading():
            before = shared.shared_before()
            yield None if before is None else _again(shared, before)


def _again(shared: Words, folder: str) -> Iterator[str]:
    """The run that these processes worked on before torchrun started them again."""
    shared.share(folder)
    yield folder


def follow(folders: Iterator[str]) -> None:
    """Work on each run as it is shared; its outcome is told by the process that shared it."""
    for folder in folders:
        work_on(folder)


def in_step(train: Callable[[], None]) -> None:
    """One of the processes that srun started. The first one trains what it was asked to, and only it tells of mistakes;
    the others work on its runs."""
    place = world()
    shared = slurm.words(place)
    if shared.leads:
        with shared.leading():
            return train()
    folders = shared.runs()
    while folder := _next(folders):
        work_on(folder)


def _next(folders: Iterator[str]) -> str | None:
    try:
        return next(folders, None)
    except RunFailed:
        return None  # The first process says why, and its exit code is the step's.
