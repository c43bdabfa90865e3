"""Starts the processes of a run: this one, or torchrun's on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from pipeline.errors import Interrupted, Pruned, RunFailed
from pipeline.launch.machine import resolve
from pipeline.launch.work import work
from pipeline.runs.directory import FINISHED, INTERRUPTED, PRUNED, RunDirectory
from pipeline.runs.environment import usable_cpus

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


def launch(run: RunDirectory, spec: RunSpec) -> dict[str, Any]:
    """Work on a frozen run until it ends; the content of metrics.json.

    Raises what :func:`pipeline.launch.work.work` raises, and RunFailed when processes that were started failed.
    """
    machine = resolve(run, spec.hardware)
    if "LOCAL_RANK" in os.environ:
        work(run, spec)
        return {}  # whoever started this process reads the outcome from the directory
    if machine.world_size == 1:
        return work(run, spec)
    return _torchrun(run, machine.world_size)


def _torchrun(run: RunDirectory, world_size: int) -> dict[str, Any]:
    """Every process starts from the same frozen directory; the outcome is read from there, not from exit codes."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={world_size}",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // world_size)))
    child = subprocess.Popen([*command, "-m", "pipeline.train", f"run={run.folder}"], env=environment)

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    manifest = run.manifest()
    if manifest["state"] == FINISHED:
        return run.metrics()
    if manifest["state"] == INTERRUPTED:
        raise Interrupted(f"all {world_size} processes left a checkpoint in {run.checkpoints}")
    if manifest["state"] == PRUNED:
        raise Pruned(**manifest["pruned"])
    raise RunFailed(
        manifest.get("error") or f"a process ended with code {child.returncode}; see what it printed"
    )
