"""From overrides to a frozen run, new or going on: what the commands and the Python API have in common."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.compose.composing import Composed, compose_onto
from pipeline.compose.frozen import frozen_files, lasting, load_frozen
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem
from pipeline.launch.process import launch
from pipeline.launch.ready import Ready, get_ready
from pipeline.runs.directory import FINISHED, RunDirectory, open_run, unfinished, write_whole
from pipeline.runs.freezing import check_resumable, freeze, home, run_id

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


@dataclasses.dataclass(frozen=True)
class Start:
    """A run that could start now: its configuration, and that its data and model are known to be good."""

    composed: Composed
    ready: Ready

    def freeze_or_resume(self) -> tuple[RunDirectory, bool]:
        """The run directory to work in, and whether it is one that was cut off before.

        Raises BadInput where a run cannot go on as asked.
        """
        spec, prepared, files = self.ready.spec, self.ready.prepared, frozen_files(self.composed)
        if spec.resume is None:
            return freeze(spec, prepared, files), False
        if spec.resume == "auto":
            run = unfinished(home(spec), run_id(spec, prepared))
            return (run, True) if run else (freeze(spec, prepared, files), False)
        run = open_run(spec.resume, "resume")
        if run.state == FINISHED:
            raise BadInput(
                Problem("resume", f"{run.folder} has finished", "a run that was cut off, or a new run")
            )
        check_resumable(run, spec, prepared)
        for name, content in files.items():
            write_whole(run.folder / name, content)
        return run, True


def prepare_start(composed: Composed, spec: RunSpec) -> Start:
    """Prepare the data and the model of a checked configuration; nothing is written to the outputs.

    With `resume=DIR` the configuration is the frozen one, not today's defaults, with the overrides on top.
    Raises BadInput.
    """
    if spec.resume not in (None, "auto"):
        frozen, frozen_spec = load_frozen(open_run(str(spec.resume), "resume"))
        given = lasting(composed.overrides)
        composed = compose_onto(frozen, given) if given else frozen
        spec = dataclasses.replace(load(composed) if given else frozen_spec, resume=spec.resume)
    return Start(composed, get_ready(spec))


def work_on(folder: str) -> tuple[RunDirectory, dict[str, Any]]:
    """Work in a frozen run directory, as every process of a run does; the content of its metrics.json."""
    run = open_run(folder)
    _, spec = load_frozen(run)
    return run, launch(run, spec)
