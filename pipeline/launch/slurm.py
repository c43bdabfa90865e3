"""A run whose processes `srun` has started, on one node or several: where they meet, and that one of them prepares."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, RunFailed

if TYPE_CHECKING:
    from pipeline.launch.hardware import Hardware
    from pipeline.launch.world import World
    from pipeline.runs.directory import RunDirectory

STARTER = "slurm"
# Below what systems give to others (32768 on Linux); two for each step: the process group, and who leads.
_PORTS = range(12000, 32000)
# Preparing data may take long, and Slurm ends all when the time of the job is over.
_PATIENCE = timedelta(days=30)


def join(place: World, hardware: Hardware) -> None:
    """Say where the processes meet in the variables that torchrun sets, which torch and Lightning read.

    Raises BadInput where the configuration wants another number of processes than Slurm has started.
    """
    if hardware.devices not in ("auto", place.local_size):
        what = f"is {hardware.devices}, and Slurm has started {place.local_size} processes on this node"
        allowed = f"{place.local_size} or auto; or srun --ntasks-per-node={hardware.devices}"
        raise BadInput(Problem("hardware.devices", what, allowed))
    address, port = _meeting_point()
    os.environ.update(
        {
            "MASTER_ADDR": address,
            "MASTER_PORT": str(port),
            "RANK": str(place.rank),
            "WORLD_SIZE": str(place.size),
            "LOCAL_RANK": str(place.local_rank),
            "LOCAL_WORLD_SIZE": str(place.local_size),
            "GROUP_RANK": str(place.node),
        }
    )


class _Leader:
    """What the first process tells the others: the runs to work on, one after another."""

    def __init__(self, store: Any) -> None:
        self._store, self._count = store, 0

    def tell(self, what: str) -> None:
        self._store.set(str(self._count), what)
        self._count += 1


_leader: _Leader | None = None


@contextmanager
def leading(place: World) -> Iterator[None]:
    """In the first process of a step: the others hear of every run that is announced within the block."""
    global _leader
    from torch.distributed import TCPStore

    address, port = _meeting_point()
    store = TCPStore(address, port + 1, is_master=True, wait_for_workers=False, timeout=_PATIENCE)
    _leader = _Leader(store)
    try:
        yield
    finally:
        _leader.tell("")
        _leader = None
        _wait_for_followers(store, place.size - 1)


def announce(run: RunDirectory) -> None:
    """Let the processes that follow this one, if there are any, work on a run too."""
    if _leader is not None:
        _leader.tell(str(run.folder))


def follow(work_on: Callable[[str], object]) -> None:
    """In the other processes: wait for what the first one prepares and freezes, and work on that.

    Raises RunFailed where the first one is gone.
    """
    from torch.distributed import DistError, TCPStore

    address, port = _meeting_point()
    try:
        store = TCPStore(address, port + 1, is_master=False, timeout=_PATIENCE)
    except DistError as error:
        raise RunFailed(f"the first process cannot be reached: {error}") from error
    number = 0
    while True:
        try:
            folder = store.get(str(number)).decode()
        except DistError as error:
            raise RunFailed("the first process has ended") from error
        if not folder:
            store.add("left", 1)
            return
        work_on(folder)
        number += 1


def _wait_for_followers(store: Any, count: int) -> None:
    """The store ends with this process, so the others are given a moment to read that there is nothing more."""
    end = time.monotonic() + 5
    while store.add("left", 0) < count and time.monotonic() < end:
        time.sleep(0.05)


def _meeting_point() -> tuple[str, int]:
    """Address and port of the first process, the same in all of a step; what is set in the environment counts."""
    address = os.environ.get("MASTER_ADDR") or _address(os.environ["SLURM_STEP_NODELIST"])
    step = int(os.environ["SLURM_JOB_ID"]) * 8 + int(os.environ["SLURM_STEP_ID"]) % 8
    port = os.environ.get("MASTER_PORT") or _PORTS.start + 2 * step % len(_PORTS)
    return address, int(port)


def _address(nodes: str) -> str:
    """Of the first node: its name where that leads anywhere, else the address that Slurm itself uses."""
    first = _ask("show", "hostnames", nodes).split()[0]
    try:
        socket.getaddrinfo(first, None)
    except OSError:
        words = _ask("--oneliner", "show", "node", first).split()
        found = [word.removeprefix("NodeAddr=") for word in words if word.startswith("NodeAddr=")]
        return found[0] if found else first
    return first


def _ask(*words: str) -> str:
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        what = f"scontrol {' '.join(words)} does not say where the processes can meet: {error}"
        raise RunFailed(f"{what}; set MASTER_ADDR to the name of the first node") from error
    return done.stdout
