"""Many runs to a few numbers and a table."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

SIDES = ("hydratune", "hf_trainer")
COLUMNS = ("strategy", "hydratune", "HF Trainer", "difference (points)", "seeds")


def mean_and_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and half the width of its 95 % interval by Student's t; None for a single value."""
    from scipy.stats import t

    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return mean, float(half)


def summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By strategy: accuracy of both sides in percent, and difference of seed pairs in points.

    Only seeds that both sides have finished count.
    """
    summary = {}
    for strategy in dict.fromkeys(run["strategy"] for run in runs):
        by_side = [
            {run["seed"]: run for run in runs if (run["strategy"], run["side"]) == (strategy, side)}
            for side in SIDES
        ]
        pairs = [(ours, by_side[1][seed]) for seed, ours in by_side[0].items() if seed in by_side[1]]
        if not pairs:
            continue
        points = [[100 * run["accuracy"] for run in side] for side in zip(*pairs, strict=True)]
        differences = [ours - theirs for ours, theirs in zip(*points, strict=True)]
        summary[strategy] = {
            "seeds": [ours["seed"] for ours, _ in pairs],
            **{side: _numbers(values) for side, values in zip(SIDES, points, strict=True)},
            "difference": _numbers(differences),
        }
    return summary


def _numbers(values: Sequence[float]) -> dict[str, float | None]:
    mean, half = mean_and_interval(values)
    return {"mean": mean, "interval95": half}


def table(summary: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows under :data:`COLUMNS`; the last one is the baseline (name, accuracy)."""
    rows = [
        (
            strategy,
            *(_shown(numbers[side]) for side in SIDES),
            _shown(numbers["difference"], sign="+"),
            str(len(numbers["seeds"])),
        )
        for strategy, numbers in summary.items()
    ]
    return [*rows, (baseline["name"], f"{100 * baseline['accuracy']:.2f}", "", "", "")]


def _shown(numbers: Mapping[str, float | None], sign: str = "") -> str:
    half = "" if numbers["interval95"] is None else f" ± {numbers['interval95']:.2f}"
    return f"{numbers['mean']:{sign}.2f}{half}"


def markdown(rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
