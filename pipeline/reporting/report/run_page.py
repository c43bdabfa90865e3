"""The page of one run, whatever there is of it by now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.reporting.report import run_facts
from pipeline.reporting.report.chart import Series, chart
from pipeline.reporting.report.curves import Curve, by_metric, curves
from pipeline.reporting.report.mistakes import Examples, worst
from pipeline.reporting.report.page import render
from pipeline.reporting.sizes import size_text
from pipeline.reporting.tables import arranged
from pipeline.runs.directory import CREATED, FINISHED, PRUNED, RunDirectory, write_whole
from pipeline.runs.redaction import redact_text

if TYPE_CHECKING:
    from markupsafe import Markup

Plot = tuple[str, "Markup", list[tuple[str, str]]]
# A table of counts that is drawn as one.
_MATRIX = "confusion_matrix"
# Of a table: of a thousand classes nobody looks at a million counts.
_MOST_CELLS = 4_000


def write_run_page(run: RunDirectory, output: Path | None = None) -> Path:
    """Write the page of a run, by default into its directory as report.html. Raises BadInput as `run_page` does."""
    target = output or run.folder / "report.html"
    write_whole(target, run_page(run))
    return target


def run_page(run: RunDirectory) -> str:
    """The page. Raises BadInput for a run that has never started, of which there is nothing to tell."""
    manifest, metrics = run.manifest(), run.metrics()
    if manifest["state"] == CREATED and not manifest["starts"]:
        hint = f"python -m pipeline.train resume={run.folder} starts it"
        raise BadInput(Problem("run", f"{run.folder} has not started yet", hint))
    overall, by_class = arranged(metrics) if metrics else ([["metric"]], {})
    tested = {name: rows for name, rows in metrics.get("tables", {}).items() if name.startswith("test/")}
    tables = {name: rows for name, rows in tested.items() if len(rows) * len(rows[0]) <= _MOST_CELLS}
    left_out = [name for name in tested if name not in tables]
    examples = worst(run.predictions / "test.jsonl")
    audit = run_facts.audit_rows(run)
    return render(
        "run.html",
        title=manifest["name"],
        folder=run.folder.name,
        id=manifest["id"],
        state=manifest["state"],
        finished=manifest["state"] == FINISHED,
        error=redact_text(manifest.get("error") or ""),
        what_to_do=_what_to_do(run, manifest),
        about=_about(manifest),
        cards=_cards(manifest, metrics),
        chosen=_chosen(metrics),
        overall=overall,
        by_class={
            split: rows for split, rows in by_class.items() if split == "test" or "test" not in by_class
        },
        matrices={name: rows for name, rows in tables.items() if name.endswith(_MATRIX)},
        tables={name: rows for name, rows in tables.items() if not name.endswith(_MATRIX)},
        left_out=left_out,
        plots=list(_plots(run, metrics.get("monitor") or "")),
        no_curves="There are no csv logs of this run (logger=csv writes them).",
        examples=examples,
        example_rows=_grid(examples) if examples else [],
        data=run_facts.data_pairs(manifest),
        classes=run_facts.class_rows(manifest),
        audit=audit,
        model=run_facts.model_pairs(run, manifest, metrics),
        weights=manifest.get("weights") or [],
        command=run_facts.command(run),
        environment=run_facts.environment_pairs(run, manifest),
        config=run_facts.config_text(run),
        sections=_sections(metrics, examples),
    )


def _sections(metrics: Mapping[str, Any], examples: Examples | None) -> list[tuple[str, str]]:
    return [
        *([("scores", "Scores")] if metrics else []),
        ("curves", "Learning curves"),
        *([("examples", "Examples")] if examples else []),
        ("data", "Data"),
        ("model", "Model"),
        ("reproduce", "Reproduce"),
    ]


def _what_to_do(run: RunDirectory, manifest: Mapping[str, Any]) -> str:
    if manifest["state"] == PRUNED:
        pruned = manifest["pruned"]
        return f"A search has ended it after step {pruned['step']}: {pruned['why']}."
    if run.is_worked_on():
        return "It is being trained now. This is what there is so far; the same command makes the page anew."
    return f"It has not finished. This is what there is; python -m pipeline.train resume={run.folder} goes on with it."


def _cards(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few numbers that are asked for first."""
    monitor = metrics.get("monitor")
    asked = [f"test/{monitor.rpartition('/')[2]}", monitor] if monitor else []
    cards = [(name, f"{metrics[name]:.4f}") for name in asked if name in metrics]
    if metrics.get("total_steps"):
        cards.append(("tested step", f"{metrics['best_step']:,} of {metrics['total_steps']:,}"))
    prepared = manifest["prepared"]
    cards.append(("training rows", f"{prepared['rows'].get('train', 0):,}"))
    if prepared["total"]:
        cards.append(("trained parameters", f"{prepared['trainable'] / prepared['total']:.2%}"))
    if metrics.get("model_bytes"):
        cards.append(("model on disk", size_text(metrics["model_bytes"])))
    return cards


def _chosen(metrics: Mapping[str, Any]) -> str:
    if not metrics.get("total_steps"):
        return "The model as it is: nothing was trained."
    by = f", chosen by {metrics['monitor']}" if metrics.get("monitor") else ""
    return f"Of step {metrics['best_step']:,} of {metrics['total_steps']:,}{by}."


def _plots(run: RunDirectory, monitor: str) -> Iterator[Plot]:
    """A drawing a metric, with a line a split: the loss, what chose the checkpoint, the learning rate, and the rest."""
    found = by_metric(curves(run.folder))
    first = ["loss", monitor.rpartition("/")[2], *(name for name in found if name == "lr")]
    for metric in sorted(found, key=lambda name: first.index(name) if name in first else len(first)):
        of_split = found[metric]
        series = [
            Series(f"{split}/{metric}" if split else metric, points, f"c{number % 6}")
            for number, (split, points) in enumerate(of_split.items())
        ]
        legend = [(each.style, f"{each.name} {each.points[-1][1]:.4g}") for each in series]
        yield metric, chart(_told(metric, of_split), series, "optimizer step"), legend


def _told(metric: str, of_split: Mapping[str, Curve]) -> str:
    """A curve in words."""
    lines = [
        f"{split or metric}: {points[0][1]:.4g} at step {points[0][0]}, {points[-1][1]:.4g} at step {points[-1][0]}"
        for split, points in of_split.items()
    ]
    return f"{metric} over optimizer steps; {'; '.join(lines)}"


def _grid(examples: Examples) -> list[list[str]]:
    names = list(dict.fromkeys(name for row in examples.rows for name in row))
    return [names, *([row.get(name, "") for name in names] for row in examples.rows)]


def _about(manifest: Mapping[str, Any]) -> str:
    created = manifest["created"][:16].replace("T", " ")
    return f"{manifest['task'].replace('_', ' ')} · run {manifest['id']} · {created} UTC"
