"""The page of a sweep: who has won and by how much, what mattered, and what did not end well."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import BadInput, Problem
from pipeline.reporting import leaderboard_table as texts
from pipeline.reporting.leaderboard import Leaderboard, Standing, read
from pipeline.reporting.report import sweep_plots as plots
from pipeline.reporting.report.page import render
from pipeline.reporting.report.parameters import common_names, importances, parameters
from pipeline.reporting.report.sweep_plots import Point
from pipeline.reporting.statistics import Paired
from pipeline.runs.directory import FAILED, FINISHED, PRUNED, write_whole
from pipeline.runs.redaction import redact, redact_text
from pipeline.runs.sweep_record import SweepRecord


def write_sweep_page(folder: Path | str, output: Path | None = None) -> Path:
    """Write the page of a sweep, by default into its folder as report.html. Raises BadInput as `sweep_page` does."""
    board = read(folder)
    target = output or board.folder / "report.html"
    beside = target.parent.resolve() == board.folder
    write_whole(target, sweep_page(board, beside=beside))
    return target


def sweep_page(board: Leaderboard, *, beside: bool = False) -> str:
    """The page; ``beside`` the runs it has links to theirs. Raises BadInput where no trial has ended yet, in whatever
    way."""
    sweep = board.sweep
    ended = [each for each in board.standings if each.state in (FINISHED, PRUNED, FAILED)]
    if not ended:
        what = f"no trial of {sweep.folder} has ended yet"
        raise BadInput(Problem("sweep", what, "wait for the first one, or call `train -m` again as before"))
    metric = next((each.monitor for each in board.standings if each.monitor), sweep.monitor) or "metric"
    points = _points(board)
    varied = common_names([point.values for point in points])
    found = importances([point.values for point in points], [point.value for point in points])
    first = (list(found) if isinstance(found, dict) else varied)[:2]
    return render(
        "sweep.html",
        title=sweep.name,
        folder=sweep.folder.name,
        about=f"{sweep.sweeper} · {len(sweep.trials)} trials · {metric}, {sweep.mode}imal is best",
        cards=_cards(board, metric),
        best=board.best,
        best_words=shlex.join(board.best.trial.overrides) if board.best else "",
        command=_command(sweep),
        header=_header(board, metric),
        rows=[(each, _cells(board, each), _pages(each) if beside else []) for each in board.standings],
        beside=beside,
        notes=texts.about_seeds(board),
        history=plots.history(points, metric, sweep.mode) if points else "",
        curves=plots.all_curves(board, metric),
        metric=metric,
        coordinates=plots.coordinates(points, varied, metric) if varied else "",
        importance=found,
        slices=list(plots.slices(points, first, metric)),
        planes=[(a, b, plots.plane(points, a, b, metric)) for a, b in pairwise(_words_first(points, first))],
        compared=_compared(board),
        ended_badly=[
            (each, redact_text(each.error)) for each in board.standings if each.state in (PRUNED, FAILED)
        ],
    )


def _command(sweep: SweepRecord) -> str:
    """What trains with the winner's settings again, from where one stands."""
    here, common = Path.cwd(), map(str, redact(sweep.common))
    folder = sweep.folder.relative_to(here) if sweep.folder.is_relative_to(here) else sweep.folder
    return shlex.join(["python", "-m", "pipeline.train", *common, f"sweep.best={folder}"])


def _points(board: Leaderboard) -> list[Point]:
    scored = [each for each in board.standings if each.state == FINISHED and each.value is not None]
    return [
        Point(each, each.value or 0.0, parameters(each.trial), strength)
        for each, strength in zip(scored, plots.strengths(len(scored)), strict=True)
    ]


def _words_first(points: Sequence[Point], names: Sequence[str]) -> list[str]:
    """There is more room for words below a drawing than beside it."""
    return sorted(names, key=lambda name: not isinstance(points[0].values[name], str))


def _cards(board: Leaderboard, metric: str) -> list[tuple[str, str]]:
    states = [each.state for each in board.standings]
    cards = [(f"best {metric}", texts.value_text(board.best).partition(" (")[0])] if board.best else []
    cards += [("best trial", str(board.best.trial.number))] if board.best else []
    counted = {state: states.count(state) for state in dict.fromkeys([FINISHED, *states])}
    return [*cards, *((state, str(count)) for state, count in counted.items())]


def _header(board: Leaderboard, metric: str) -> list[str]:
    seeds = ["seeds"] if board.sweep.seeds is not None else []
    return ["trial", "state", metric, *seeds, *_scores(board), *_names(board)]


def _cells(board: Leaderboard, standing: Standing) -> list[Any]:
    """A row of the leaderboard: a column a score and a column a parameter, so that each can be sorted by."""
    values = parameters(standing.trial)
    own = board.sweep.seeds is None
    value = texts.value_text(standing).partition(" (")[0]
    scores = [standing.scores.get(name) for name in _scores(board)]
    return [
        standing.trial.number,
        standing.state,
        value,
        *([] if own else [len(standing.by_seed)]),
        *(texts.interval_text(score) if score else "" for score in scores),
        *(values.get(name, "") for name in _names(board)),
    ]


def _pages(standing: Standing) -> list[tuple[str, str]]:
    """The pages of its runs: what they are called, and where they are from the sweep's folder."""
    there = [run for run in standing.runs if (run.folder / "report.html").is_file()]
    return [(run.folder.name, quote(f"{run.folder.name}/report.html")) for run in there]


def _scores(board: Leaderboard) -> list[str]:
    """What the test rows say of the same metric, and the losses."""
    metric = next((each.monitor for each in board.standings if each.monitor), "") or ""
    wanted = (f"test/{metric.rpartition('/')[2]}", "test/loss")
    known = {name for each in board.standings for name in each.scores}
    return [name for name in wanted if name in known and name != metric]


def _names(board: Leaderboard) -> list[str]:
    return list(dict.fromkeys(name for each in board.standings for name in parameters(each.trial)))


def _verdict(against: Paired, mode: str) -> str:
    """Over the seeds in common another can be better than what is the best over all."""
    if not against.shown:
        return texts.NO_DIFFERENCE
    return "better" if ((against.difference or 0.0) > 0) == (mode == "max") else "worse"


def _compared(board: Leaderboard) -> list[list[str]]:
    """Every configuration against the best over the seeds that they share; nothing without seeds."""
    compared = [each for each in board.standings if each.against_best and each.against_best.pairs]
    if not compared:
        return []
    rows = [
        [
            str(each.trial.number),
            " ".join(each.trial.overrides),
            f"{against.difference:+.4f}",
            "" if against.p is None else f"{against.p:.3g}",
            str(against.pairs),
            _verdict(against, board.sweep.mode),
        ]
        for each in compared
        if (against := each.against_best) and against.difference is not None
    ]
    return [["trial", "overrides", "difference to the best", "p", "seeds in common", "verdict"], *rows]
