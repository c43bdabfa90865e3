"""From a checked configuration to a frozen run: what `train` and `Run.train` do before any work starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.compose.frozen import frozen_files, lasting, load_frozen
from pipeline.data.prepare import Prepared, prepare
from pipeline.errors import BadInput, Problem
from pipeline.launch.machine import Machine, look
from pipeline.launch.plan import plan
from pipeline.launch.schedule import Schedule, schedule
from pipeline.runs.directory import FINISHED, RunDirectory, open_run, unfinished, write_whole
from pipeline.runs.freezing import check_resumable, freeze, home, run_id

if TYPE_CHECKING:
    from pipeline.compose.composing import Composed
    from pipeline.compose.run_spec import RunSpec


@dataclass(frozen=True)
class Ready:
    """A configuration whose data and model are known to be good."""

    composed: Composed
    spec: RunSpec
    prepared: Prepared
    machine: Machine
    schedule: Schedule

    def plan(self) -> list[tuple[str, str]]:
        return plan(self.spec, self.prepared, self.machine, self.schedule)


def get_ready(composed: Composed, spec: RunSpec) -> Ready:
    """Prepare data and model and check everything that depends on them. Nothing is written to the outputs.

    Raises BadInput.
    """
    machine = look(spec.hardware)
    for leaf in spec.leaves():
        leaf.check()
    prepared = prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy)
    return Ready(composed, spec, prepared, machine, schedule(spec, prepared, machine))


def freeze_or_resume(ready: Ready) -> tuple[RunDirectory, bool]:
    """The run directory to work in, and whether it is one that was cut off before.

    Raises BadInput where a run cannot go on as asked.
    """
    spec = ready.spec
    if spec.resume is None:
        return freeze(spec, ready.prepared, frozen_files(ready.composed)), False
    if spec.resume == "auto":
        run = unfinished(home(spec), run_id(spec, ready.prepared))
        return (run, True) if run else (freeze(spec, ready.prepared, frozen_files(ready.composed)), False)
    run = open_run(spec.resume, "resume")
    check_resumable(run, spec, ready.prepared)
    if run.state == FINISHED:
        raise BadInput(Problem("resume", f"{run.folder} has finished", "a run that was cut off, or a new run"))
    for name, content in frozen_files(ready.composed).items():
        write_whole(run.folder / name, content)
    return run, True


def resumed_as_frozen(composed: Composed, spec: RunSpec) -> tuple[Composed, RunSpec]:
    """With `resume=DIR` and nothing else, the configuration is the frozen one, not today's defaults."""
    import dataclasses

    if spec.resume in (None, "auto") or lasting(composed.overrides):
        return composed, spec
    assert spec.resume is not None
    frozen, frozen_spec = load_frozen(open_run(spec.resume, "resume"))
    return frozen, dataclasses.replace(frozen_spec, resume=spec.resume)
