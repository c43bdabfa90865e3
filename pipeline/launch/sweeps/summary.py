"""The end of a sweep: leaderboard.csv, best first, and what the terminal shows of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.launch.sweeps.record import FILE
from pipeline.runs.directory import FAILED, RunDirectory, write_whole


@dataclass(frozen=True)
class Leaderboard:
    """How a sweep's jobs ended, best first, as in leaderboard.csv; `varied` are, by id, the overrides that not
    every job has."""

    folder: Path
    rows: list[dict[str, Any]]
    varied: dict[str, list[str]]


def summarise(folder: Path) -> Leaderboard:
    """Write leaderboard.csv from sweep.json and the runs that it names: best run first, failed ones last with their
    error. A trial that no run could be made of has a row too."""
    sweep = json.loads((folder / FILE).read_text(encoding="utf-8"))
    rows, varied = dict[str, dict[str, Any]](), dict[str, list[str]]()
    for trial in sweep["trials"]:
        for name in trial["runs"]:
            run = RunDirectory(folder / name)
            rows[name] = _row(run)
            given = rows[name]["overrides"].split(" ")
            seed = [word for word in given[-1:] if sweep["seeds"] is not None and word.startswith("seed=")]
            varied.setdefault(name, [*trial["overrides"], *seed])
        if not trial["runs"] and trial["state"] == FAILED:
            name = f"trial {trial['number']}"
            words = " ".join([*sweep["common"], *trial["overrides"]])
            rows[name] = {"id": name, "state": FAILED, "overrides": words, "monitor": None}
            rows[name] |= {"optimized_metric": None, "error": trial["error"] or ""}
            varied[name] = trial["overrides"]
    sign = 1 if sweep["mode"] == "min" else -1
    board = sorted(
        rows.values(), key=lambda r: (r["optimized_metric"] is None, sign * (r["optimized_metric"] or 0.0))
    )
    columns = list(dict.fromkeys(name for row in board for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(board)
    write_whole(folder / "leaderboard.csv", text.getvalue())
    return Leaderboard(folder, board, varied)


def _row(run: RunDirectory) -> dict[str, Any]:
    manifest, metrics = run.manifest(), run.metrics()
    overrides = yaml.safe_load((run.folder / "overrides.yaml").read_text(encoding="utf-8"))
    scores = {k: v for k, v in metrics.items() if k.count("/") == 1 and isinstance(v, float)}
    return {
        "id": manifest["id"],
        "state": manifest["state"],
        "overrides": " ".join(map(str, overrides)),
        "monitor": metrics.get("monitor"),
        "optimized_metric": metrics.get("optimized_metric"),
        **scores,
        "error": manifest.get("error") or "",
    }
