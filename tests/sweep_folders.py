"""Folders of sweeps as the sweeper leaves them, with runs that have scores and logs and nothing else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.runs.directory import RunDirectory, create


def make_run(
    folder: Path, name: str, scores: Mapping[str, float] | None, seed: int = 0, **manifest: Any
) -> RunDirectory:
    """A run; `scores` None: one that has not finished."""
    state = "failed" if scores is None else "finished"
    run = create(
        folder, name, {}, {"id": name, "state": state, "result_relevant": {"seed": seed}, **manifest}
    )
    if scores is not None:
        chosen = {"monitor": "val/f1", "mode": "max", "optimized_metric": scores.get("val/f1")}
        (run.folder / "metrics.json").write_text(json.dumps({**scores, **chosen}))
    logs = run.folder / "logs/csv"
    logs.mkdir(parents=True)
    lines = [f"{step},val/f1,{(scores or {}).get('val/f1', 0.1) * step / 4}" for step in (1, 2, 3, 4)]
    lines += [f"{step},val/loss,{1 / step}" for step in (1, 2, 3, 4)]
    (logs / "metrics.csv").write_text("step,name,value\n" + "\n".join(lines) + "\n")
    return run


def trial(number: int, overrides: Sequence[str], runs: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "overrides": list(overrides),
        "runs": list(runs),
        "state": "finished",
        "value": None,
        "error": None,
        **more,
    }


def make_sweep(folder: Path, trials: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": 1,
        "name": folder.name,
        "sweeper": "grid",
        "monitor": "val/f1",
        "mode": "max",
        "space": {},
        "seeds": None,
        "common": ["task=text_classification", "name=grid"],
        **more,
        "trials": list(trials),
    }
    (folder / "sweep.json").write_text(json.dumps(content))
    return folder


def grid(folder: Path, scores: Mapping[str, float]) -> Path:
    """A finished run for every `overrides: val/f1`."""
    trials = []
    for number, (words, value) in enumerate(scores.items()):
        make_run(folder, f"run{number}", {"val/f1": value, "test/f1": value - 0.1, "val/loss": 1.0})
        trials.append(trial(number, words.split(), [f"run{number}"], value=value))
    return make_sweep(folder, trials)
