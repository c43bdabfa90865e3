"""Fine-tune a model: compose, check, plan, prepare, freeze, train, test, save, verify."""

import sys

from pipeline.compose.command_line import check, outcome, parse

WRITTEN = [
    "metrics.json",
    "model",
    "predictions/test.jsonl",
    "README.md",
    "audit.json",
    "config.yaml",
    "logs",
]


def main() -> None:
    """Train one run, or with -m a grid of runs; with `run=DIR` work in a frozen run directory."""
    call = parse(sys.argv[1:], command="train")
    if call.multirun:
        from pipeline.compose.multirun import run_multirun
        from pipeline.reporting.tables import show_leaderboard, show_paths
        from pipeline.sweep_job import train_frozen

        board = run_multirun(call, train_frozen)
        show_leaderboard(board.rows, board.varied)
        return show_paths(board.folder, ["leaderboard.csv"])

    folder = call.given("run")
    composed_and_spec = None if folder else check(call)
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_best, show_pairs, show_paths, show_scores
    from pipeline.starting import prepare_start, work_on

    if composed_and_spec is None:
        run, metrics = work_on(str(folder))
    else:
        start = prepare_start(*composed_and_spec)
        show_pairs("plan", start.ready.plan())
        show_audit(start.ready.audit, lengths=False)
        run, resumed = start.freeze_or_resume()
        print(f"{'resuming' if resumed else 'run'} {run.folder}", file=sys.stderr)
        metrics = start.launch(run, resumed)
    if metrics:  # processes other than the first have none
        show_scores(metrics, metrics["tables"])
        show_best(metrics, chosen=run.best_checkpoint.exists())
        show_paths(run.folder, WRITTEN)


if __name__ == "__main__":
    outcome(main)
