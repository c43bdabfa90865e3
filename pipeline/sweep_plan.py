"""What a sweep would take: its trials, its space and an estimate of the time, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.comparison import speed
from pipeline.compose.sweeping import read
from pipeline.launch.ready import Ready
from pipeline.launch.sweeps.asked import Asked
from pipeline.launch.sweeps.checking import check_space
from pipeline.launch.sweeps.spec import Asha, Grid, Random, Search


def plan_of_search(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """Rows of the plan of a sweep that draws its trials; none for a grid, whose jobs are compared one by one.

    Raises BadInput as the sweep would.
    """
    asked = read(overrides)
    if not isinstance(asked.sweep, Random | Search):
        return []
    ready = check_space(asked)
    trials, at_once = asked.sweep.trials, asked.sweep.jobs
    default = "one at a time" if isinstance(asked.sweep, Search) else "all handed over at once"
    together = f"{at_once} at a time" if at_once else default
    return [
        ("sweep", f"{asked.sweep.sweeper}: {trials} trials, {together}"),
        *[(parameter.key, _shown(asked, parameter.key, parameter.shown())) for parameter in asked.parameters],
        *([("seeds", seeds_text(asked))] if asked.seeds else []),
        *_cost(asked, ready, trials * (asked.seeds or 1)),
    ]


def seeds_text(asked: Asked) -> str:
    count = asked.seeds or 1
    return f"{count} runs of each configuration, seed {asked.seed} to {asked.seed + count - 1}"


def notes_of_seeds(overrides: Sequence[str]) -> list[str]:
    """What is to be said below the comparison of a grid."""
    asked = read(overrides)
    return [seeds_text(asked)] if asked.seeds and isinstance(asked.sweep, Grid) else []


def _shown(asked: Asked, key: str, values: str) -> str:
    return f"{values} (where the configuration has it)" if key in asked.conditional else values


def _cost(asked: Asked, ready: Sequence[Ready], runs: int) -> list[tuple[str, str]]:
    """Of one run, and of all. Options differ in cost, and how often each is drawn is not known: least and most."""
    steps = sorted({one.schedule.total_steps for one in ready})
    seconds = sorted(one.schedule.tokens / speed(one) for one in ready)
    most = "at most " if isinstance(asked.sweep, Asha) else ""
    each, total = _range([_time(s) for s in seconds]), _range([_time(s * runs) for s in seconds])
    return [
        ("one run", f"{_range([f'{count:,}' for count in steps])} steps, about {each} of training"),
        ("in all", f"{most}{runs:,} runs, {most}about {total} one after another (an estimate)"),
    ]


def _range(texts: Sequence[str]) -> str:
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
