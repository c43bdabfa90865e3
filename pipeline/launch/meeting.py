"""Where the machines of a run meet: torchrun's rendezvous, and beside it what the first one tells the others."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, RunFailed
from pipeline.launch import slurm
from pipeline.launch.words import Words
from pipeline.launch.world import world

if TYPE_CHECKING:
    from torch.distributed.elastic.rendezvous import RendezvousHandler

    from pipeline.launch.hardware import Hardware


class Meeting:
    """words: of the machine that came first; it prepares and freezes. seconds: how long one waits for the others.

    Raises BadInput where nobody answers at the address.
    """

    def __init__(self, address: str, nodes: int, seconds: float) -> None:
        from torch.distributed import PrefixStore
        from torch.distributed.elastic.rendezvous import RendezvousConnectionError, RendezvousParameters
        from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend

        self.nodes, self.seconds = nodes, seconds
        host = address.partition(":")[0]
        # How the others reach this machine; None: by its name.
        self.local_address = "localhost" if host in ("localhost", "127.0.0.1") else None
        patience = max(1, int(seconds))
        parameters = RendezvousParameters("c10d", address, "hydratune", nodes, nodes, read_timeout=patience)
        try:
            _, self._store = create_backend(parameters)
        except RendezvousConnectionError as error:
            what = f"nobody answers at {address} within {seconds / 60:g} minutes (hardware.timeout)"
            allowed = "the name of one of the machines, on which the same command runs, and a free port of it"
            raise BadInput(Problem("hardware.rendezvous", what, allowed)) from error
        place = self._store.add("hydratune/arrived", 1)
        if place > nodes:
            raise RunFailed(
                f"{nodes} machines have met at {address} already: another job is there, or hardware.nodes is too small"
            )
        self.words = Words(PrefixStore("hydratune", self._store), place == 1, nodes - 1, seconds)
        self._starts = 0

    def name(self, run: str) -> str:
        """Of the next start of a run's processes: the same on every machine."""
        self._starts += 1
        return f"{run}-{self._starts}"

    def handler(self, name: str) -> RendezvousHandler:
        """What the agents of all machines meet by for one start."""
        from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import C10dRendezvousBackend
        from torch.distributed.elastic.rendezvous.dynamic_rendezvous import (
            DynamicRendezvousHandler,
            RendezvousTimeout,
        )

        return DynamicRendezvousHandler.from_backend(
            name,
            self._store,
            C10dRendezvousBackend(self._store, name),
            self.nodes,
            self.nodes,
            local_addr=self.local_address,
            timeout=RendezvousTimeout(join=timedelta(seconds=self.seconds)),
        )


@cache
def _at(address: str, nodes: int, seconds: float) -> Meeting:
    return Meeting(address, nodes, seconds)


def meeting(hardware: Hardware) -> Meeting | None:
    """Where the machines of a run meet, the same one for all runs of this process; None of one machine.

    Waits until the machine that is named in `hardware.rendezvous` is there.
    """
    if hardware.nodes == 1 or hardware.rendezvous is None or world().size > 1:
        return None
    return _at(hardware.rendezvous, hardware.nodes, hardware.timeout * 60)


def here() -> Meeting:
    """A meeting of this machine alone."""
    return Meeting("localhost:0", 1, 60)


def words(hardware: Hardware) -> Words | None:
    """Of those that work on the same runs as this process and were given the same command; None: nobody."""
    from pipeline.launch.words import of_torchrun

    place = world()
    if place.starter == "torchrun":
        return of_torchrun(place, hardware.timeout * 60)
    if place.starter == slurm.STARTER:
        return slurm.words(place)
    together = meeting(hardware)
    return together.words if together else None
