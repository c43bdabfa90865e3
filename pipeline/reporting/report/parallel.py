"""Parallel coordinates: every trial a line over one axis a parameter, its score on the last (Inselberg, 1985)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.reporting.report.axes import axis
from pipeline.reporting.report.chart import belongs, shortened

_HEIGHT, _TOP, _BOTTOM, _APART, _MARGIN = 340, 40, 320, 170, 70


@dataclass(frozen=True)
class Path:
    """A trial. values: by name of axis. strength: from 0 to 1, how visible it is."""

    name: str
    values: Mapping[str, Any]
    strength: float
    trial: int
    style: str = "c0"


def parallel(about: str, names: Sequence[str], paths: Sequence[Path]) -> Markup:
    """A drawing with an axis for each of ``names``, which every path has a value for; the last one is the score."""
    axes = {
        name: axis([path.values[name] for path in paths], _BOTTOM, _TOP, chosen=name != names[-1])
        for name in names
    }
    across = {name: _MARGIN + number * _APART for number, name in enumerate(names)}
    lines = [
        Markup(
            '<polyline class="{}" style="opacity:{:.2f}" points="{}"{}><title>{}</title></polyline>'
        ).format(
            path.style,
            path.strength,
            " ".join(f"{across[name]},{axes[name].place(path.values[name]):.1f}" for name in names),
            belongs(path.trial),
            path.name,
        )
        for path in paths
    ]
    drawn = Markup("").join(
        Markup(
            '<path class="axis" d="M{x} {top}V{bottom}"/><text x="{x}" y="20" class="middle strong">{name}</text>'
        ).format(x=across[name], top=_TOP, bottom=_BOTTOM, name=shortened(name))
        + Markup("").join(
            Markup('<text x="{}" y="{:.1f}" class="halo">{}</text>').format(
                across[name] + 7, place + 4, shortened(label)
            )
            for place, label in axes[name].ticks()
        )
        for name in names
    )
    width = _MARGIN * 2 + _APART * (len(names) - 1)
    return Markup(
        '<svg viewBox="0 0 {} {}" style="min-width:{}px;max-width:{}px" role="img" aria-label="{}">{}{}</svg>'
    ).format(width, _HEIGHT, width, width * 1.25, about, Markup("").join(lines), drawn)
