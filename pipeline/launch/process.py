"""Starts the processes of a run: this one, or several on this machine and others."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pipeline.errors import Interrupted, Pruned
from pipeline.launch import meeting as meetings
from pipeline.launch import slurm
from pipeline.launch.machine import resolve
from pipeline.launch.work import work
from pipeline.launch.world import world
from pipeline.runs.directory import FAILED, FINISHED, INTERRUPTED, PRUNED, RunDirectory

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.machine import Machine
    from pipeline.launch.meeting import Meeting


def launch(run: RunDirectory, spec: RunSpec) -> dict[str, Any]:
    """Work on a frozen run until it ends; the content of metrics.json, empty in all processes but the first.

    Raises what :func:`pipeline.launch.work.work` raises, and RunFailed when processes that were started failed.
    """
    place = world()
    if place.starter == slurm.STARTER:
        slurm.join(place, spec.hardware)
    machine = resolve(run, spec.hardware)
    if place.size > 1:
        from pipeline.launch.agent import ATTENDED
        from pipeline.launch.rank import take_part

        take_part(run, spec, place)
        # A parent of ours reads the outcome from the directory.
        return run.metrics() if place.rank == 0 and ATTENDED not in os.environ else {}
    if machine.world_size == 1:
        return work(run, spec)
    together = meetings.meeting(spec.hardware) or meetings.here()
    return _start(run, machine, together, spec.hardware.restarts)


def _start(run: RunDirectory, machine: Machine, together: Meeting, restarts: int) -> dict[str, Any]:
    """Every process starts from the same frozen directory; the outcome is read from there, not from exit codes.

    A process that was killed has the others start again with it, from the last checkpoint.
    """
    from pipeline.launch.agent import attend
    from pipeline.launch.blame import can_start_again, cause
    from pipeline.runs.ranks import read

    while True:
        name = together.name(run.folder.name)
        starts = run.manifest()["starts"]
        codes, stopped = attend(run, machine, together, name)
        # Processes that were killed before they began have left the state of an earlier start.
        state = run.state if run.manifest()["starts"] > starts else None
        if state == FINISHED:
            return run.metrics() if together.words.leads else {}
        if state == PRUNED:
            raise Pruned(**run.manifest()["pruned"])
        reports = read(run, f"{name}-0")
        if state == INTERRUPTED or (stopped and can_start_again(reports)):
            run.update(state=INTERRUPTED)
            left = (
                f"left a checkpoint in {run.checkpoints}" if run.last_checkpoint.exists() else "were stopped"
            )
            raise Interrupted(f"all {machine.world_size} processes {left}")
        text, error = cause(run, reports, codes)
        if not restarts or not can_start_again(reports):
            run.update(state=FAILED, error=text)
            raise error
        restarts -= 1
        print(f"{text}\nall processes start again from the last checkpoint", file=sys.stderr)
