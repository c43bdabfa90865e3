"""Fine-tune a model: compose, check, plan, prepare, freeze, train, test, save, verify."""

import sys

from pipeline.compose.command_line import Call, check, outcome, parse
from pipeline.errors import RunFailed
from pipeline.launch import slurm
from pipeline.launch.world import check_alone, world
from pipeline.runs.directory import FAILED

WRITTEN = [
    "metrics.json",
    "model",
    "predictions/test.jsonl",
    "README.md",
    "report.html",
    "audit.json",
    "config.yaml",
    "logs",
]


def main() -> None:
    """Train one run, with `stages` several one after another, with `seeds` several beside each other, or with -m a
    sweep; with `run=DIR` work in a frozen run directory."""
    call = parse(sys.argv[1:], command="train")
    if call.multirun:
        return sweep(call)
    folder = call.given("run")
    if not folder and world().starter == slurm.STARTER:
        from pipeline.together import in_step

        return in_step(lambda: train(call, None))
    train(call, folder)


def train(call: Call, folder: str | None) -> None:
    """Train what was asked for, or work in a frozen run directory, and show the result."""
    stages = [] if folder else check(call)
    if any(stage.spec.seeds for stage in stages):
        return sweep(call)
    from pipeline.chain import prepare_chain, table
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_best, show_pairs, show_paths, show_rows, show_scores
    from pipeline.runs.verification import fork_reloads
    from pipeline.starting import work_on
    from pipeline.together import first_of_all, follow

    if folder:
        done = [work_on(folder)]
    else:
        with first_of_all(stages) as others:
            if others is not None:
                return follow(others)
            chain = prepare_chain(stages)
            for (title, rows), ready in zip(chain.plans(), chain.ready, strict=True):
                show_pairs(title, rows)
                show_audit(ready.audit, lengths=False)
            if all(ready.machine.world_size == 1 for ready in chain.ready):
                fork_reloads()
            done = chain.work()
    run, metrics = done[-1]
    if metrics:  # processes other than the first have none
        if len(done) > 1:
            show_rows("stages", table(done))
        show_scores(metrics, metrics["tables"])
        show_best(metrics, chosen=run.best_checkpoint.exists())
        show_paths(run.folder, WRITTEN)


def sweep(call: Call) -> None:
    """Train every run of a sweep, and show the leaderboard."""
    check_alone()
    from pipeline.compose.multirun import run_multirun
    from pipeline.reporting.leaderboard_table import show_leaderboard
    from pipeline.reporting.report.at_end import at_end
    from pipeline.reporting.report.sweep_page import write_sweep_page
    from pipeline.reporting.tables import show_paths
    from pipeline.sweep_job import train_frozen

    board = run_multirun(call, train_frozen)
    show_leaderboard(board)
    at_end(lambda: write_sweep_page(board.folder))
    show_paths(board.folder, ["leaderboard.csv", "report.html", "best", "sweep.json"])
    if failed := sum(standing.state == FAILED for standing in board.standings):
        raise RunFailed(
            f"{failed} of {len(board.standings)} configurations; the leaderboard has their errors"
        )


if __name__ == "__main__":
    outcome(main)
