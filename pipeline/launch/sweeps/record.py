"""sweep.json: what a sweep is and how its trials stand, written whole after every change."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.launch.ready import Ready
from pipeline.launch.sweeps.asked import Asked
from pipeline.launch.sweeps.trials import Trial, Trials
from pipeline.runs.directory import write_whole

FORMAT, FILE = 1, "sweep.json"


@dataclass(frozen=True)
class Recorder:
    """Writes the record of one sweep."""

    asked: Asked
    trials: Trials
    folder: Path
    ready: Ready

    def write(self) -> dict[str, Any]:
        """What the file says now. Two processes that write say the same of what has ended."""
        schedule = self.ready.schedule
        content = {
            "format": FORMAT,
            "name": self.folder.name,
            "sweeper": self.asked.sweep.sweeper,
            "monitor": schedule.monitor,
            "mode": schedule.mode,
            "space": self.asked.space,
            "seeds": self.asked.seeds,
            "trials": [_plain(trial) for trial in self.trials.all()],
            "common": self.asked.common,
        }
        write_whole(self.folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return content


def _plain(trial: Trial) -> dict[str, Any]:
    outcome = trial.outcome
    value = outcome.value
    return {
        "number": trial.number,
        "overrides": list(trial.overrides),
        "runs": list(trial.runs),
        "state": outcome.state,
        "value": value if value is not None and math.isfinite(value) else None,
        "error": outcome.error,
    }


def recorded(folder: Path) -> dict[str, Any] | None:
    """What the record in a sweep's folder says; None where there is none yet."""
    file = folder / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def best(trials: Sequence[dict[str, Any]], mode: str) -> dict[str, Any] | None:
    """The finished trial with the best value, the earlier of equal ones; None where none has a value."""
    sign = -1 if mode == "max" else 1
    able = [trial for trial in trials if trial["state"] == "finished" and trial["value"] is not None]
    return min(able, key=lambda trial: (sign * trial["value"], trial["number"]), default=None)
