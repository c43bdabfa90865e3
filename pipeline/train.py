"""Fine-tune a model: compose, check, plan, prepare, freeze, train, test, save, verify."""

import sys
from typing import Any

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Train one run, or with -m a grid of runs."""
    call = parse(sys.argv[1:], command="train")
    if call.multirun:
        from pipeline.compose.multirun import run_multirun
        from pipeline.sweep_job import train_frozen

        return run_multirun(call, train_frozen)
    if folder := call.given("run"):
        return work_on(folder)

    composed, spec = check(call)
    from pipeline.launch.process import launch
    from pipeline.launch.ready import get_ready
    from pipeline.reporting.tables import show_pairs
    from pipeline.starting import freeze_or_resume, resumed_as_frozen

    composed, spec = resumed_as_frozen(composed, spec)
    ready = get_ready(spec)
    show_pairs("plan", ready.plan())
    run, resumed = freeze_or_resume(composed, ready)
    print(f"{'resuming' if resumed else 'run'} {run.folder}", file=sys.stderr)
    show(run, launch(run, ready.spec))


def work_on(folder: str) -> None:
    """Work in a frozen run directory: what every process of a run does."""
    from pipeline.compose.frozen import load_frozen
    from pipeline.launch.process import launch
    from pipeline.runs.directory import open_run

    run = open_run(folder)
    _, spec = load_frozen(run)
    show(run, launch(run, spec))


def show(run: Any, metrics: dict[str, Any]) -> None:
    """Scores and paths; in processes other than the first there is nothing to show."""
    from pipeline.reporting.tables import show_paths, show_scores

    if metrics:
        show_scores(metrics, metrics["tables"])
        show_paths(run.folder, ["metrics.json", "model", "predictions/test.jsonl", "README.md", "config.yaml", "logs"])


if __name__ == "__main__":
    outcome(main)
