"""How the configurations of a sweep ended, best first: leaderboard.csv, what the terminal prints, and `best/`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reporting.best_link import point_to, remove
from pipeline.reporting.statistics import Paired, Summary, paired, summary
from pipeline.runs.directory import FINISHED, PRUNED, RunDirectory, write_whole
from pipeline.runs.sweep_record import SweepRecord, Trial, open_sweep


@dataclass(frozen=True)
class Standing:
    """One configuration. scores: by full name, over its finished runs. by_seed: its optimized metric.

    against_best: compared with the best configuration over the seeds they share; None for the best itself, and in a
    sweep without seeds. error: or why a search has ended it.
    """

    trial: Trial
    runs: list[RunDirectory]
    state: str
    monitor: str | None
    scores: dict[str, Summary]
    by_seed: dict[int, float]
    against_best: Paired | None = None
    error: str = ""

    @property
    def name(self) -> str:
        """The ids of its runs; of a trial that no run could be made of, its number."""
        return " ".join(self.trial.runs) or f"trial {self.trial.number}"

    @property
    def value(self) -> float | None:
        """Of the optimized metric; of a pruned run the last that it had."""
        if self.by_seed:
            return summary(list(self.by_seed.values())).mean
        return self.trial.value

    @property
    def best_run(self) -> RunDirectory | None:
        """The finished run of the best value among its seeds; chosen on validation data, as a checkpoint is."""
        ended = [run for run in self.runs if run.metrics().get("optimized_metric") is not None]
        if not ended:
            return None
        sign = -1 if ended[0].metrics()["mode"] == "min" else 1
        return max(ended, key=lambda run: sign * run.metrics()["optimized_metric"])


@dataclass(frozen=True)
class Leaderboard:
    """A sweep's configurations, best first."""

    sweep: SweepRecord
    standings: list[Standing]

    @property
    def folder(self) -> Path:
        return self.sweep.folder

    @property
    def best(self) -> Standing | None:
        """What has won; None before anything has finished with a value."""
        first = next(iter(self.standings), None)
        return first if first and first.state == FINISHED and first.by_seed else None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Those of leaderboard.csv: one a run, or with seeds one a configuration."""
        make = _row if self.sweep.seeds is None else _row_over_seeds
        return [make(self.sweep, standing) for standing in self.standings]


def write(folder: Path | str) -> Leaderboard:
    """Read sweep.json and the runs, write leaderboard.csv and have `best/` lead to the run that has won.

    The best comes first, what failed last, with its error. Raises BadInput for a folder that is no sweep's.
    """
    board = read(folder)
    rows = board.rows
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(board.folder / "leaderboard.csv", text.getvalue())
    winner = board.best.best_run if board.best else None
    if winner is not None:
        point_to(board.folder, winner.folder.name)
    else:
        remove(board.folder)
    return board


def read(folder: Path | str) -> Leaderboard:
    """The leaderboard as the folder has it now. Raises BadInput for a folder that is no sweep's."""
    sweep = open_sweep(str(folder))
    standings = [_standing(sweep, trial) for trial in sweep.trials]
    sign = 1 if sweep.mode == "min" else -1
    standings.sort(
        key=lambda each: (
            each.state != FINISHED,
            each.value is None,
            each.state != PRUNED,
            sign * (each.value or 0),
        )
    )
    board = Leaderboard(sweep, standings)
    if sweep.seeds is None or board.best is None:
        return board
    best, *others = standings
    return Leaderboard(sweep, [best, *(_compared(each, best.by_seed) for each in others)])


def _standing(sweep: SweepRecord, trial: Trial) -> Standing:
    runs = sweep.runs(trial)
    manifests, metrics = [run.manifest() for run in runs], [run.metrics() for run in runs]
    values: dict[str, list[float]] = {}
    by_seed: dict[int, float] = {}
    for number, (manifest, of_run) in enumerate(zip(manifests, metrics, strict=True)):
        for name, value in of_run.items():
            if name.count("/") == 1 and isinstance(value, float):
                values.setdefault(name, []).append(value)
        if (value := of_run.get("optimized_metric")) is not None:
            by_seed[manifest.get("result_relevant", {}).get("seed", number)] = value
    # With one run, its directory says most exactly how it stands.
    alone = sweep.seeds is None and trial.state != PRUNED and len(manifests) == 1
    ends = [end for manifest in manifests for end in (manifest.get("error"), _why_pruned(manifest))]
    return Standing(
        trial,
        runs,
        manifests[0]["state"] if alone else trial.state,
        next((of_run["monitor"] for of_run in metrics if of_run.get("monitor")), None),
        {name: summary(numbers) for name, numbers in values.items()},
        by_seed,
        error=next((end for end in (trial.error, *ends) if end), ""),
    )


def _why_pruned(manifest: Mapping[str, Any]) -> str | None:
    return manifest["pruned"]["why"] if manifest["state"] == PRUNED else None


def _compared(standing: Standing, best: Mapping[int, float]) -> Standing:
    return Standing(**{**vars(standing), "against_best": paired(standing.by_seed, best)})


def _row(sweep: SweepRecord, standing: Standing) -> dict[str, Any]:
    return {
        **_start(sweep, standing),
        **{name: score.mean for name, score in standing.scores.items()},
        "error": standing.error,
    }


def _row_over_seeds(sweep: SweepRecord, standing: Standing) -> dict[str, Any]:
    against = standing.against_best
    row = {"trial": standing.trial.number, **_start(sweep, standing), "seeds": len(standing.by_seed)}
    row |= {"p": against.p if against else None, "pairs": against.pairs if against else None}
    for name, score in standing.scores.items():
        row[name] = score.mean
        row |= {f"{name}/sd": score.sd, f"{name}/low": score.low, f"{name}/high": score.high}
    return {**row, "error": standing.error}


def _start(sweep: SweepRecord, standing: Standing) -> dict[str, Any]:
    return {
        "id": standing.name,
        "state": standing.state,
        "overrides": " ".join([*sweep.common, *standing.trial.overrides]),
        "monitor": standing.monitor,
        "optimized_metric": standing.value,
    }
