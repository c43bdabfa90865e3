"""A run whose processes `srun` has started, on one node or several: where they meet, and that one of them prepares."""

from __future__ import annotations

import os
import socket
import subprocess
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, RunFailed

if TYPE_CHECKING:
    from pipeline.launch.hardware import Hardware
    from pipeline.launch.words import Words
    from pipeline.launch.world import World

STARTER = "slurm"
# Below what systems give to others (32768 on Linux); two for each step: for the process group, and for words.
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


@cache
def words(place: World) -> Words:
    """What the first process of a step, which prepares and freezes, tells the others."""
    from torch.distributed import TCPStore

    from pipeline.launch.words import Words

    address, port = _meeting_point()
    leads = place.rank == 0
    store = TCPStore(address, port + 1, is_master=leads, wait_for_workers=False, timeout=_PATIENCE)
    return Words(store, leads, place.size - 1, _PATIENCE.total_seconds())


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
