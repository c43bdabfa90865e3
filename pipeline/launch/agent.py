"""Starts a run's processes on this machine and waits for them: torchrun's agent, but signals are ours.

torchrun ends processes half a minute after it is asked to stop, whether their checkpoint is written or not, and tells
of a failure in a table of its own. Here a request to stop is handed on, the processes leave by themselves, and what
they said of themselves is read from the run's directory.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from pipeline.errors import RunFailed
from pipeline.runs import ranks
from pipeline.runs.environment import usable_cpus
from pipeline.training import interruption

if TYPE_CHECKING:
    from pathlib import Path

    from torch.distributed.elastic.agent.server.api import SimpleElasticAgent

    from pipeline.launch.machine import Machine
    from pipeline.launch.meeting import Meeting
    from pipeline.runs.directory import RunDirectory

# In processes that a parent of ours waits for, its number: it tells of their end, and they end with it.
ATTENDED = "HYDRATUNE_ATTENDED"
# After one process has failed the others get so many seconds; then they are killed.
_GRACE = 10
# So long a machine waits to hear how processes of another one ended.
_HEAR = 5.0
# So long a machine waits for others whose processes still work.
_FOREVER = 30 * 24 * 3600
# The signals that torchrun's agent may handle: those on which there is nothing to be saved.
_TORCHRUNS = "SIGHUP,SIGQUIT"


class Stopped(Exception):
    """The processes were asked to stop before all of them had started."""


def attend(run: RunDirectory, machine: Machine, meeting: Meeting, name: str) -> tuple[dict[int, int], bool]:
    """Run this machine's share of processes until they end.

    Exit codes of those that ended badly, by rank (negative: the signal), and whether they were asked to stop.
    Raises RunFailed where a machine is missing.
    """
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.rendezvous import RendezvousError

    handler = meeting.handler(name)
    spec = WorkerSpec(
        role="rank",
        local_world_size=machine.local_size,
        rdzv_handler=handler,
        entrypoint=sys.executable,
        args=("-m", "pipeline.train", f"run={run.folder}"),
        max_restarts=0,
        local_addr=meeting.local_address,
    )
    agent = LocalElasticAgent(
        spec, DefaultLogsSpecs(log_dir=os.devnull), exit_barrier_timeout=_FOREVER, shutdown_timeout=_GRACE
    )
    with _environment(machine), _said_in(run.logs / "launcher.log"), _handed_on(agent) as stopped:
        try:
            result = agent.run()
        except Stopped:
            return {}, True
        except RendezvousError as error:
            raise RunFailed(
                f"{meeting.nodes} machines did not meet within hardware.timeout: {error}"
            ) from error
        finally:
            handler.shutdown()
    codes = {rank: failure.exitcode for rank, failure in result.failures.items()}
    if codes and meeting.nodes > 1:
        # All machines decide by the same reports what comes next.
        ranks.wait_for_ends(run, f"{name}-0", machine.world_size, _HEAR)
    return codes, stopped.is_set()


@contextmanager
def _environment(machine: Machine) -> Iterator[None]:
    """What processes find in their environment beside their place."""
    before = dict(os.environ)
    os.environ[ATTENDED] = str(os.getpid())
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = _TORCHRUNS
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // machine.local_size)))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _said_in(path: Path) -> Iterator[None]:
    """What the agent has to say is in a log: the terminal shows what went wrong, and how the processes were ended is
    no part of that."""
    logger = logging.getLogger("torch.distributed.elastic")
    path.parent.mkdir(exist_ok=True)
    handler, propagates = logging.FileHandler(path, delay=True), logger.propagate
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
        handler.close()


@contextmanager
def _handed_on(agent: SimpleElasticAgent) -> Iterator[threading.Event]:
    """What asks to stop goes to the processes; a second SIGINT ends them at once."""
    asked = threading.Event()

    def hand_on(number: int, frame: FrameType | None) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()
        interruption.hear(number, frame)
        processes = [worker.id for worker in agent.get_worker_group().workers]
        if not processes or not all(processes):
            raise Stopped
        for process in processes:
            try:
                os.kill(process, number)
            except ProcessLookupError:  # It has ended by itself.
                continue

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    handled = (*interruption.LISTENED, *(getattr(signal, name) for name in _TORCHRUNS.split(",")))
    before = {number: signal.getsignal(number) for number in handled}
    for number in interruption.LISTENED:
        signal.signal(number, hand_on)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
