"""Lines and dots over two axes, as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.reporting.report.axes import Axis, axis

WIDTH, HEIGHT = 520, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 12, 44
# Of so few lines, and so few points each, every point is a dot that can be pointed at.
_FEW_LINES, _FEW_POINTS = 4, 40
# More points than pixels say no more: the mean of neighbours stands for them.
_MOST_POINTS = 240
_MOST_TICKS = 8


@dataclass(frozen=True)
class Series:
    """Points of one thing.

    name: what is said of it when pointed at. style: its class in the page's style sheet, c0 to c5, or mark for what
    stands out. strength: from 0 to 1, how visible it is. joined: a line, or dots alone. trial: of a sweep, so that all
    that belongs to it can be shown together.
    """

    name: str
    points: Sequence[tuple[Any, Any]]
    style: str = "c0"
    strength: float = 1.0
    joined: bool = True
    trial: int | None = None


def chart(
    about: str, series: Sequence[Series], x_name: str, y_name: str = "", *, chosen: bool = False
) -> Markup:
    """``about``: what a reader who cannot see it is told. chosen: somebody has set the values that go up, too.
    Without points there is nothing to draw, and it is empty."""
    series = [each for each in series if each.points]
    if not series:
        return Markup("")
    across = axis([x for each in series for x, _ in each.points], _LEFT, WIDTH - _RIGHT, chosen=True)
    up = axis([y for each in series for _, y in each.points], HEIGHT - _BOTTOM, _TOP, chosen=chosen)
    drawn = [_line(each, across, up) for each in series if each.joined]
    most = _FEW_POINTS if len(series) <= _FEW_LINES else 1  # A line of one point would not be seen.
    dots = [_dots(each, across, up) for each in series if not each.joined or len(each.points) <= most]
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        WIDTH,
        HEIGHT,
        about,
        _frame(across, up, x_name, y_name),
        Markup("").join(drawn),
        Markup("").join(dots),
    )


def _frame(across: Axis, up: Axis, x_name: str, y_name: str) -> Markup:
    floor = HEIGHT - _BOTTOM
    parts = []
    for y, label in up.ticks():
        parts.append(
            Markup(
                '<path class="grid" d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" class="end">{}</text>'
            ).format(_LEFT, y, WIDTH - _RIGHT, _LEFT - 8, y + 4, label)
        )
    for x, label in across.ticks()[:: max(1, len(across.ticks()) // _MOST_TICKS)]:
        parts.append(
            Markup(
                '<path class="grid" d="M{:.1f} {}v5"/><text x="{:.1f}" y="{}" class="middle">{}</text>'
            ).format(x, floor, x, floor + 19, shortened(label))
        )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(Markup('<path class="axis" d="M{} {}H{}"/>').format(_LEFT, floor, WIDTH - _RIGHT))
    parts.append(Markup('<text x="{}" y="{}" class="middle">{}</text>').format(middle, HEIGHT - 6, x_name))
    if y_name:
        place = (floor + _TOP) / 2
        turned = Markup('<text x="13" y="{}" transform="rotate(-90 13 {})" class="middle">{}</text>')
        parts.append(turned.format(place, place, y_name))
    return Markup("").join(parts)


def _line(series: Series, across: Axis, up: Axis) -> Markup:
    points = thinned(series.points)
    spots = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in points)
    return Markup(
        '<polyline class="{}" style="opacity:{:.2f}" points="{}"{}><title>{}</title></polyline>'
    ).format(series.style, series.strength, spots, belongs(series.trial), series.name)


def _dots(series: Series, across: Axis, up: Axis) -> Markup:
    dot = Markup(
        '<circle class="{}" style="opacity:{:.2f}" cx="{:.1f}" cy="{:.1f}" r="3.5"{}><title>{}</title></circle>'
    )
    return Markup("").join(
        dot.format(
            series.style,
            series.strength,
            across.place(x),
            up.place(y),
            belongs(series.trial),
            f"{series.name}: {_shown(y)} at {_shown(x)}",
        )
        for x, y in series.points
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def belongs(trial: int | None) -> Markup:
    """The attribute that joins all that is shown of a trial."""
    return Markup("") if trial is None else Markup(' data-trial="{}"').format(trial)


def shortened(label: str, most: int = 22) -> str:
    """A label that has room beside others."""
    return label if len(label) <= most else f"{label[: most - 1]}…"


def thinned(points: Sequence[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """At most _MOST_POINTS of them: means of neighbours."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    size = -(-len(points) // _MOST_POINTS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]
