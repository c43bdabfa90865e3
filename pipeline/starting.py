"""From a checked configuration to a frozen run, new or going on: what `train` does before any work starts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.compose.frozen import frozen_files, lasting, load_frozen
from pipeline.errors import BadInput, Problem
from pipeline.runs.directory import FINISHED, RunDirectory, open_run, unfinished, write_whole
from pipeline.runs.freezing import check_resumable, freeze, home, run_id

if TYPE_CHECKING:
    from pipeline.compose.composing import Composed
    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.ready import Ready


def freeze_or_resume(composed: Composed, ready: Ready) -> tuple[RunDirectory, bool]:
    """The run directory to work in, and whether it is one that was cut off before.

    Raises BadInput where a run cannot go on as asked.
    """
    spec = ready.spec
    if spec.resume is None:
        return freeze(spec, ready.prepared, frozen_files(composed)), False
    if spec.resume == "auto":
        run = unfinished(home(spec), run_id(spec, ready.prepared))
        return (run, True) if run else (freeze(spec, ready.prepared, frozen_files(composed)), False)
    run = open_run(spec.resume, "resume")
    check_resumable(run, spec, ready.prepared)
    if run.state == FINISHED:
        raise BadInput(Problem("resume", f"{run.folder} has finished", "a run that was cut off, or a new run"))
    for name, content in frozen_files(composed).items():
        write_whole(run.folder / name, content)
    return run, True


def resumed_as_frozen(composed: Composed, spec: RunSpec) -> tuple[Composed, RunSpec]:
    """With `resume=DIR` and nothing else, the configuration is the frozen one, not today's defaults."""
    if spec.resume in (None, "auto") or lasting(composed.overrides):
        return composed, spec
    assert spec.resume is not None
    frozen, frozen_spec = load_frozen(open_run(spec.resume, "resume"))
    return frozen, dataclasses.replace(frozen_spec, resume=spec.resume)
