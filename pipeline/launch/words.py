"""What the one that prepares and freezes tells the others: which run is next, and that there is no further one.

The one is the first of several machines, or the first of processes that torchrun started.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.errors import Interrupted, RunFailed

if TYPE_CHECKING:
    from torch.distributed import Store

    from pipeline.launch.world import World

_LOOK_EVERY = 0.2
# So long a process stays for those that have not heard the last word; one that has failed never will.
_HEARING = 5.0


class Words:
    """leads: whether this process tells the `others`, so many. seconds: how long they wait for its next word."""

    def __init__(self, store: Store, leads: bool, others: int, seconds: float) -> None:
        self._store, self.leads, self.others, self.seconds = store, leads, others, seconds
        self._next = 0

    def share(self, folder: str) -> None:
        """Tell the others which run is next."""
        if self.leads:
            self._say({"run": folder})

    def shared_before(self) -> str | None:
        """The run that an earlier start of the same processes shared last."""
        return self._store.get("last").decode() if self._store.check(["last"]) else None

    def _say(self, what: dict[str, str]) -> None:
        if "run" in what:
            self._store.set("last", what["run"])
        self._store.set(f"word-{self._next}", json.dumps(what))
        self._next += 1

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Whatever happens within, the others hear of its end."""
        error = ""
        try:
            yield
        except Interrupted:
            raise
        except BaseException as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            with _store_that_may_end():
                self._say({"end": error})
                self._until_heard()

    def _until_heard(self) -> None:
        """The store may end with this process, whether it leads or not."""
        until = time.monotonic() + _HEARING
        while self._store.add("heard", 0) < self.others and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)

    def runs(self) -> Iterator[str]:
        """The runs that are shared, as they are. Raises RunFailed where the first one failed or says nothing."""
        while True:
            word = self._hear()
            if "run" not in word:
                with _store_that_may_end():
                    self._store.add("heard", 1)
                    self._until_heard()
                if word["end"]:
                    raise RunFailed(f"the first machine, which prepares, has failed: {word['end']}")
                return
            yield word["run"]

    def _hear(self) -> dict[str, Any]:
        key, until = f"word-{self._next}", time.monotonic() + self.seconds
        self._next += 1
        while time.monotonic() < until:
            try:
                if self._store.check([key]):
                    return json.loads(self._store.get(key))
            except RuntimeError as error:
                raise RunFailed("the machine where all meet is gone") from error
            time.sleep(_LOOK_EVERY)
        raise RunFailed(
            f"no run was frozen on the first machine within {self.seconds / 60:g} minutes (hardware.timeout); what "
            "takes longer is prepared ahead, by `python -m pipeline.prepare` with the same words"
        )


@contextmanager
def _store_that_may_end() -> Iterator[None]:
    """Whoever keeps the store leaves when all have heard the last word, which another one may not know yet. What came
    of the runs does not depend on it: torch's error for a connection that is gone would only hide it."""
    with suppress(RuntimeError):
        yield


@cache
def of_torchrun(place: World, seconds: float) -> Words:
    """The words of processes that a user's torchrun started: they go through the store of its agent."""
    from torch.distributed import PrefixStore, TCPStore

    store: Store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    words = Words(PrefixStore(f"hydratune-{start}", store), place.rank == 0, place.size - 1, seconds)
    before = PrefixStore(f"hydratune-{int(start) - 1}", store)
    if words.leads and before.check(["last"]):
        words._store.set("last", before.get("last").decode())
    return words
