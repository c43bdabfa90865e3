"""What a sweep's folder says of itself: sweep.json, as the sweeper leaves it after every change."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problem, nearest
from pipeline.runs.directory import FINISHED, RunDirectory

FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One configuration of a sweep.

    overrides: what varies, as words of a command line. runs: ids, one or one a seed. value: of the metric that is
    optimized, the mean over seeds; None before there is one.
    """

    number: int
    overrides: list[str]
    runs: list[str]
    state: str
    value: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as its folder has it. space: what varies and how, as typed. common: overrides that every job has."""

    folder: Path
    name: str
    sweeper: str
    monitor: str | None
    mode: str
    space: dict[str, Any]
    seeds: int | None
    trials: list[Trial]
    common: list[str]

    def runs(self, trial: Trial) -> list[RunDirectory]:
        """The run directories of a trial that are there."""
        folders = [self.folder / run for run in trial.runs]
        return [RunDirectory(folder) for folder in folders if (folder / "manifest.json").is_file()]

    def ranked(self) -> list[Trial]:
        """Best first: what has finished by its value, then what has no value, then what ended otherwise."""
        sign = 1 if self.mode == "min" else -1
        return sorted(
            self.trials,
            key=lambda trial: (trial.state != FINISHED, trial.value is None, sign * (trial.value or 0.0)),
        )

    @property
    def best(self) -> Trial | None:
        """The finished trial of the best value; the earliest of equal ones."""
        first = next(iter(self.ranked()), None)
        return first if first and first.state == FINISHED and first.value is not None else None


def open_sweep(path: str, key: str = "sweep") -> SweepRecord:
    """The sweep in the folder ``path``. Raises BadInput where there is none, naming ``key``."""
    folder = Path(path)
    file = folder / "sweep.json"
    if folder.is_file():
        raise BadInput(Problem(key, f"{path} is a file", "a sweep's folder, such as outputs/sweeps/NAME"))
    if not folder.is_dir():
        beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
        near = [each.name for each in beside if each.is_dir()]
        raise BadInput(
            Problem(key, f"there is no folder {path}", "a sweep's folder", nearest(folder.name, near))
        )
    if not file.is_file():
        what = f"{path} is not a sweep's folder: it has no sweep.json"
        allowed = "the folder that `train -m` printed, such as outputs/sweeps/NAME"
        if (folder / "manifest.json").is_file():
            what, allowed = (
                f"{path} is a single run",
                f"a sweep's folder, such as {folder.resolve().parent}",
            )
        raise BadInput(Problem(key, what, allowed))
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["format"] > FORMAT:
        what = f"was written in format {content['format']}; this version reads up to {FORMAT}"
        raise BadInput(Problem(str(folder), what, "a newer hydratune"))
    return SweepRecord(
        folder.resolve(),
        content["name"],
        content["sweeper"],
        content["monitor"],
        content["mode"] or "max",
        content["space"],
        content["seeds"],
        [_trial(entry) for entry in content["trials"]],
        content["common"],
    )


def _trial(entry: dict[str, Any]) -> Trial:
    value = entry["value"]
    return Trial(
        entry["number"],
        entry["overrides"],
        entry["runs"],
        entry["state"],
        value if value is not None and math.isfinite(value) else None,
        entry["error"],
    )
