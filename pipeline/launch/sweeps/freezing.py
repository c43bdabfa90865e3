"""A sweep: every job is frozen first, and only then run from its directory; a failing one ends no other."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.launch.ready import get_ready
from pipeline.runs.directory import FINISHED, RunDirectory, write_whole
from pipeline.runs.freezing import freeze, run_id
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


@dataclass(frozen=True)
class Frozen:
    """The directories of a sweep's jobs, in the order of the grid; `pending` are those that have not finished."""

    folder: Path
    runs: list[RunDirectory]
    overrides: list[list[str]]

    @property
    def pending(self) -> list[RunDirectory]:
        return [run for run in self.runs if run.state != FINISHED]


def freeze_all(jobs: Sequence[tuple[RunSpec, Mapping[str, str], Sequence[str]]]) -> Frozen:
    """Freeze (spec, files of its directory, overrides) of every job into outputs/sweeps/<name>/<id>.

    A job that the folder holds already is kept: finished it is not run again, cut off it goes on.
    Raises one BadInput with the problems of all jobs before anything is written.
    """
    ready, problems = [], dict[Problem, None]()
    for spec, _, _ in jobs:
        try:
            ready.append(get_ready(spec))
        except BadInput as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise BadInput(list(problems))
    ids = [run_id(job.spec, job.prepared) for job in ready]
    folder = Path(ready[0].spec.paths.outputs) / "sweeps" / _name([job.spec for job in ready], ids)
    runs: dict[str, RunDirectory] = {}
    overrides: dict[str, list[str]] = {}
    for job, identity, (_, files, given) in zip(ready, ids, jobs, strict=True):
        existing = folder / identity
        runs[identity] = (
            RunDirectory(existing.resolve())
            if (existing / "manifest.json").exists()
            else freeze(job.spec, job.prepared, {**files, **job.files}, parent=folder, group=folder.name)
        )
        overrides.setdefault(identity, list(given))
    return Frozen(folder.resolve(), list(runs.values()), list(overrides.values()))


def _name(specs: Sequence[RunSpec], ids: Sequence[str]) -> str:
    """The name that was given to all jobs, else one that the same grid gets again."""
    names = {spec.config.get("name") for spec in specs}
    given = names.pop() if len(names) == 1 else None
    return str(given) if given else f"{specs[0].choices['task']}-{digest(sorted(ids), 8)}"


@dataclass(frozen=True)
class Leaderboard:
    """How a sweep's jobs ended, best first, as in leaderboard.csv; `varied` are, by id, the overrides that not
    every job has."""

    folder: Path
    rows: list[dict[str, Any]]
    varied: dict[str, list[str]]


def summarise(frozen: Frozen) -> Leaderboard:
    """Write leaderboard.csv, best job first, failed ones last with their error."""
    rows, varied = [], {}
    common = set.intersection(*map(set, frozen.overrides))
    for run, overrides in zip(frozen.runs, frozen.overrides, strict=True):
        manifest, metrics = run.manifest(), run.metrics()
        varied[manifest["id"]] = [text for text in overrides if text not in common]
        scores = {k: v for k, v in metrics.items() if k.count("/") == 1 and isinstance(v, float)}
        rows.append(
            {
                "id": manifest["id"],
                "state": manifest["state"],
                "overrides": " ".join(overrides),
                "monitor": metrics.get("monitor"),
                "optimized_metric": metrics.get("optimized_metric"),
                **scores,
                "error": manifest.get("error") or "",
            }
        )
    sign = 1 if "min" in {run.metrics().get("mode") for run in frozen.runs} else -1
    rows.sort(key=lambda r: (r["optimized_metric"] is None, sign * (r["optimized_metric"] or 0.0)))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(frozen.folder / "leaderboard.csv", text.getvalue())
    return Leaderboard(frozen.folder, rows, varied)
