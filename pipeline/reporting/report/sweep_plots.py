"""Drawings of a sweep's trials; the better a trial, the stronger it is drawn, and the best stands out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.reporting.report.chart import Series, chart
from pipeline.reporting.report.curves import curves
from pipeline.reporting.report.parallel import Path, parallel

if TYPE_CHECKING:
    from markupsafe import Markup

    from pipeline.reporting.leaderboard import Leaderboard, Standing

_FAINTEST = 0.25


@dataclass(frozen=True)
class Point:
    """A trial with a score. values: of its parameters. strength: 1 for the best, less for others."""

    standing: Standing
    value: float
    values: Mapping[str, Any]
    strength: float

    @property
    def number(self) -> int:
        return self.standing.trial.number

    @property
    def name(self) -> str:
        return f"trial {self.number} ({' '.join(self.standing.trial.overrides)})"

    @property
    def style(self) -> str:
        return "mark" if self.strength == 1 else "c0"


def strengths(count: int) -> list[float]:
    """Of trials in the order of the leaderboard."""
    return [1 - (1 - _FAINTEST) * place / max(count - 1, 1) for place in range(count)]


def history(points: Sequence[Point], metric: str, mode: str) -> Markup:
    """Scores in the order of the trials, and the best so far."""
    in_order = sorted(points, key=lambda point: point.number)
    best, so_far = None, []
    for point in in_order:
        better = max if mode == "max" else min
        best = point.value if best is None else better(best, point.value)
        so_far.append((point.number, best))
    told = f"{metric} of every trial; the best so far went from {so_far[0][1]:.4g} to {so_far[-1][1]:.4g}"
    line = Series("best so far", so_far, "c2", 0.8) if len(so_far) > 1 else None
    return chart(told, [*([line] if line else []), *_dots(points, lambda each: each.number)], "trial", metric)


def slices(points: Sequence[Point], names: Sequence[str], metric: str) -> Iterator[tuple[str, Markup]]:
    """The score over each parameter."""
    for name in names:
        dots = _dots(points, lambda each, name=name: each.values[name])
        yield f"{metric} by {name}", chart(f"{metric} of every trial over {name}", dots, name, metric)


def plane(points: Sequence[Point], across: str, up: str, metric: str) -> Markup:
    """Two parameters against each other, the score as the strength of a dot. Nothing is drawn between the trials:
    a surface over a few of them would be made up."""
    dots = [
        Series(
            f"{point.name}: {metric} {point.value:.4f}",
            [(point.values[across], point.values[up])],
            point.style,
            point.strength,
            joined=False,
            trial=point.number,
        )
        for point in reversed(points)
    ]
    told = f"{up} against {across}; stronger dots have a better {metric}"
    return chart(told, dots, across, up, chosen=True)


def coordinates(points: Sequence[Point], names: Sequence[str], metric: str) -> Markup:
    paths = [
        Path(
            f"{point.name}: {metric} {point.value:.4f}",
            {**point.values, metric: point.value},
            point.strength,
            point.number,
            point.style,
        )
        for point in reversed(points)
    ]
    return parallel(f"parameters and {metric} of {len(points)} trials", [*names, metric], paths)


def all_curves(board: Leaderboard, metric: str) -> Markup:
    """The metric of every run over its steps, of pruned and failed ones too."""
    series = []
    strength = strengths(len(board.standings))
    for place, standing in enumerate(board.standings):
        style = "mark" if standing is board.best else "c0"
        for run in standing.runs:
            name = (
                f"trial {standing.trial.number} ({' '.join(standing.trial.overrides)}), run {run.folder.name}"
            )
            points = curves(run.folder).get(metric, [])
            series.append(Series(name, points, style, strength[place], trial=standing.trial.number))
    return chart(f"{metric} of every run over its optimizer steps", series[::-1], "optimizer step", metric)


def _dots(points: Sequence[Point], across: Any) -> list[Series]:
    return [
        Series(point.name, [(across(point), point.value)], point.style, point.strength, False, point.number)
        for point in reversed(points)
    ]
