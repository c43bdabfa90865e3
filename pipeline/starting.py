"""From overrides to a frozen run, new or going on: what the commands and the Python API have in common."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.compose.composing import Composed, compose_onto
from pipeline.compose.frozen import frozen_files, lasting, load_frozen
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem
from pipeline.launch.meeting import words
from pipeline.launch.process import launch
from pipeline.launch.ready import Ready, get_ready
from pipeline.launch.trained_before import check_weights
from pipeline.runs.directory import FINISHED, RunDirectory, open_run, unfinished, write_whole
from pipeline.runs.freezing import check_length, check_resumable, freeze, home, run_id

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


@dataclasses.dataclass(frozen=True)
class Start:
    """A run that could start now: its configuration, and that its data and model are known to be good."""

    composed: Composed
    ready: Ready
    # What its manifest says besides: the place in a chain.
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def freeze_or_resume(self) -> tuple[RunDirectory, bool]:
        """The run directory to work in, and whether it is one that was cut off before.

        Raises BadInput where no directory can be made.
        """
        spec, prepared = self.ready.spec, self.ready.prepared
        files = {**frozen_files(self.composed), **self.ready.files}
        if spec.resume is None:
            return freeze(spec, prepared, files, **self.facts), False
        if spec.resume == "auto":
            run = unfinished(home(spec), run_id(spec, prepared))
            return (run, True) if run else (freeze(spec, prepared, files, **self.facts), False)
        run = open_run(spec.resume, "resume")
        for name, content in files.items():
            write_whole(run.folder / name, content)
        return run, True

    def launch(self, run: RunDirectory, resumed: bool) -> dict[str, Any]:
        """Work until the run ends; the content of metrics.json.

        Nothing is left of a new run that is refused before it trained, as by weights that turn out not to fit.
        """
        try:
            if others := words(self.ready.spec.hardware):
                if not others.leads:
                    what = "each machine has frozen a run of its own"
                    raise BadInput(
                        Problem("hardware.nodes", what, "several machines: by python -m pipeline.train")
                    )
                others.share(str(run.folder))
            return launch(run, self.ready.spec)
        except BadInput:
            if not resumed and not run.last_checkpoint.exists():
                _discard(run.folder, Path(self.ready.spec.paths.outputs).resolve())
            raise


def _discard(folder: Path, outputs: Path) -> None:
    """Remove a run's folder, and those around it up to the outputs that hold nothing else; both paths are absolute."""
    shutil.rmtree(folder)
    for around in folder.parents:
        if outputs not in around.parents or any(around.iterdir()):
            return
        around.rmdir()


def prepare_start(composed: Composed, spec: RunSpec, **facts: Any) -> Start:
    """Prepare the data and the model of a checked configuration; nothing is written to the outputs.

    facts: what the manifest of a new run says besides. With `resume=DIR` the configuration is the frozen one, not
    today's defaults, with the overrides on top. Raises BadInput, also where a run cannot go on as asked.
    """
    run = None if spec.resume in (None, "auto") else open_run(str(spec.resume), "resume")
    if run is not None:
        if run.state == FINISHED:
            allowed = f"a run that was cut off; a new one starts from its weights with model.checkpoint={run.folder}"
            raise BadInput(Problem("resume", f"{run.folder} has finished", allowed))
        frozen, frozen_spec = load_frozen(run)
        given = lasting(composed.overrides)
        composed = compose_onto(frozen, given) if given else frozen
        spec = dataclasses.replace(load(composed) if given else frozen_spec, resume=spec.resume)
        check_length(run, frozen_spec, spec)
    ready = get_ready(spec)
    if not spec.train:
        check_weights(spec, ready.prepared)
    if run is not None:
        check_resumable(run, spec, ready.prepared)
    return Start(composed, ready, facts)


def work_on(folder: str) -> tuple[RunDirectory, dict[str, Any]]:
    """Work in a frozen run directory, as every process of a run does; the content of its metrics.json."""
    run = open_run(folder)
    _, spec = load_frozen(run)
    return run, launch(run, spec)
