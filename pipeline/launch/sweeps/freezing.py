"""The runs of a sweep: directories named by their ids, made once however often they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problem
from pipeline.launch.ready import Ready, get_ready
from pipeline.launch.sweeps.asked import Asked, Job
from pipeline.runs.directory import RunDirectory
from pipeline.runs.freezing import freeze, run_id
from pipeline.runs.identity import digest


def get_all_ready(jobs: Sequence[Job]) -> list[Ready]:
    """Prepare every job. Raises one BadInput with the problems of all."""
    ready, problems = [], dict[Problem, None]()
    for job in jobs:
        try:
            ready.append(get_ready(job.spec))
        except BadInput as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise BadInput(list(problems))
    return ready


def freeze_job(job: Job, ready: Ready, folder: Path, **facts: Any) -> RunDirectory:
    """The run of a job in the sweep's folder; one that is there already is kept as it is, but for the facts."""
    existing = folder / run_id(ready.spec, ready.prepared)
    if not (existing / "manifest.json").exists():
        files = {**job.files, **ready.files}
        return freeze(ready.spec, ready.prepared, files, parent=folder, group=folder.name, **facts)
    run = RunDirectory(existing.resolve())
    manifest = run.manifest()
    if any(manifest.get(key) != value for key, value in facts.items()):
        run.update(**facts)
    return run


def grid_folder(specs: Sequence[Any], ids: Sequence[str]) -> Path:
    """outputs/sweeps/ with the name that was given to all jobs, else one that the same grid gets again."""
    names = {spec.config.get("name") for spec in specs}
    given = names.pop() if len(names) == 1 else None
    name = str(given) if given else f"{specs[0].choices['task']}-{digest(sorted(ids), 8)}"
    return Path(specs[0].paths.outputs) / "sweeps" / name


def drawn_folder(asked: Asked, spec: Any) -> Path:
    """The same for trials that are drawn: the same space gets the same name again, with more trials too."""
    name = asked.name or f"{spec.choices['task']}-{digest(asked.identity(), 8)}"
    return Path(spec.paths.outputs) / "sweeps" / name
