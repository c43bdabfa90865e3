"""Who this process is among the processes of a run: asked once here, from what its starter put in the environment.

A starter that counts processes in its own way is one more function in `_SOURCES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.errors import BadInput, Problem

Environment = Mapping[str, str]


@dataclass(frozen=True)
class World:
    """The place of a process in its run.

    rank: of all processes, from 0. local_rank: of those on this machine; the number of its GPU.
    size: all processes. local_size: those on this machine. node: the machine, from 0. nodes: machines.
    starter: torchrun, slurm, or an empty string for a process that is alone.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1
    node: int = 0
    nodes: int = 1
    starter: str = ""


def world(environment: Environment | None = None) -> World:
    """This process's place, read anew from its environment (or the given one)."""
    environment = os.environ if environment is None else environment
    found = (source(environment) for source in _SOURCES)
    return next((place for place in found if place is not None), World())


def check_alone() -> None:
    """Raises BadInput in one of several processes, each of which would run the same sweep."""
    place = world()
    if place.size > 1:
        what = f"each of the {place.size} processes that {place.starter} started would run the whole sweep"
        raise BadInput(Problem("--multirun", what, "one process; hydra/launcher=… says where the jobs run"))


def _torchrun(environment: Environment) -> World | None:
    """Variables of ``torch.distributed.run``, on this machine or several."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    return World(
        rank=int(environment["RANK"]),
        local_rank=int(environment["LOCAL_RANK"]),
        size=int(environment["WORLD_SIZE"]),
        local_size=int(environment["LOCAL_WORLD_SIZE"]),
        node=int(environment["GROUP_RANK"]),
        nodes=int(environment["GROUP_WORLD_SIZE"]),
        starter="torchrun",
    )


def _slurm(environment: Environment) -> World | None:
    """Variables of a task that ``srun`` started, where there are several of them.

    SLURM_NTASKS is also set in a batch script, which is not one of the tasks; SLURM_STEP_NUM_TASKS only in a step.
    """
    size = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if size == 1 or "SLURM_PROCID" not in environment:
        return None
    nodes = int(environment.get("SLURM_STEP_NUM_NODES", "1"))
    return World(
        rank=int(environment["SLURM_PROCID"]),
        local_rank=int(environment["SLURM_LOCALID"]),
        size=size,
        local_size=size // nodes,
        node=int(environment["SLURM_NODEID"]),
        nodes=nodes,
        starter="slurm",
    )


_SOURCES: tuple[Callable[[Environment], World | None], ...] = (_torchrun, _slurm)
