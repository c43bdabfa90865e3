"""The leaderboard as a person reads it: in the terminal, and on the sweep's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.reporting.statistics import SIGNIFICANT, Paired, Summary, summary
from pipeline.reporting.tables import show_rows

if TYPE_CHECKING:
    from pipeline.reporting.leaderboard import Leaderboard, Standing

BEST = "★"
NO_DIFFERENCE = "no difference shown"


def show_leaderboard(board: Leaderboard) -> None:
    """What varies, how it ended, and the metric that ranks it, best first."""
    show_rows("sweep", table(board), notes(board), lines=False)


def table(board: Leaderboard) -> list[list[str]]:
    """A header and a row a configuration: only what varies between them, and of its scores the one that ranks it."""
    seeds = board.sweep.seeds is not None
    metric = next((each.monitor for each in board.standings if each.monitor), board.sweep.monitor)
    header = [
        "trial" if seeds else "run",
        "state",
        metric or "metric",
        *(["against the best"] if seeds else []),
    ]
    rows = []
    for each in board.standings:
        name = str(each.trial.number) if seeds else each.name
        mark = f"{BEST} " if each is board.best else ""
        against = [against_text(each.against_best)] if seeds else []
        rows.append(
            [mark + name, each.state, value_text(each), *against, " ".join(each.trial.overrides), each.error]
        )
    return _without_empty([[*header, "overrides", "error"], *rows])


def _without_empty(rows: list[list[str]]) -> list[list[str]]:
    """The columns in which something stands below the header."""
    kept = [number for number in range(len(rows[0])) if any(row[number] for row in rows[1:])]
    return [[row[number] for number in kept] for row in rows]


def notes(board: Leaderboard) -> list[str]:
    """What has to be known to read the table."""
    if board.best is None:
        return ["nothing has finished with a score"]
    return [f"{BEST} the best", *about_seeds(board)]


def about_seeds(board: Leaderboard) -> list[str]:
    """What intervals and comparisons are; nothing without seeds."""
    if board.sweep.seeds is None or board.best is None:
        return []
    count = sum(each.against_best is not None and each.against_best.p is not None for each in board.standings)
    compared = (
        f"p: paired t-test over the seeds in common, {count} comparison{'s' * (count != 1)}, not corrected for their "
        f"number; {SIGNIFICANT} or more is told as '{NO_DIFFERENCE}'"
    )
    return ["±: 95 % interval of the mean over seeds (Student's t)", *([compared] if count else [])]


def value_text(standing: Standing) -> str:
    """``0.8512``, over seeds ``0.8512 ± 0.0101 (3 seeds)``."""
    if len(standing.by_seed) > 1:
        return f"{interval_text(summary(list(standing.by_seed.values())))} ({len(standing.by_seed)} seeds)"
    return "" if standing.value is None else f"{standing.value:.4f}"


def interval_text(score: Summary) -> str:
    """``0.8512 ± 0.0101``; without an interval the mean alone."""
    return f"{score.mean:.4f}" + (f" ± {score.high - score.mean:.4f}" if score.high is not None else "")


def against_text(against: Paired | None) -> str:
    """The difference to the best configuration and whether the seeds show it."""
    if against is None or against.difference is None:
        return ""
    if against.p is None:
        return f"{against.difference:+.4f} (one seed in common)"
    said = f"p = {against.p:.3g}, {against.pairs} seeds"
    return f"{against.difference:+.4f} ({said})" if against.shown else f"{NO_DIFFERENCE} ({said})"
