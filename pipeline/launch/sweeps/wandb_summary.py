"""A sweep on Weights & Biases: a run of its own in the group of its runs, with the table of its trials."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.launch.sweeps.record import best
from pipeline.runs.redaction import redact
from pipeline.training.loggers.wandb import Wandb

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec

COLUMNS = ("trial", "state", "value", "overrides", "runs", "error")


def log_summary(spec: RunSpec, folder: Path, sweep: dict[str, Any]) -> None:
    """Log what sweep.json says, where the jobs are logged there too.

    Online, the same command goes on with the same W&B run; offline, each call is one of its own, as runs are.
    """
    logger = next((each for each in spec.logger.values() if isinstance(each, Wandb)), None)
    if logger is None or (mode := logger.chosen_mode()) == "disabled":
        return
    run = _begin(logger, folder, mode, sweep)
    try:
        import wandb

        rows = [
            [
                trial["number"],
                trial["state"],
                trial["value"],
                " ".join(trial["overrides"]),
                " ".join(trial["runs"]),
                redact(trial["error"] or ""),
            ]
            for trial in sweep["trials"]
        ]
        run.log({"trials": wandb.Table(columns=list(COLUMNS), data=rows, allow_mixed_types=True)})
        if first := best(sweep["trials"], sweep["mode"]):
            run.summary["best/value"] = first["value"]
            run.summary["best/overrides"] = " ".join(first["overrides"])
    finally:
        run.finish()


def _begin(logger: Wandb, folder: Path, mode: str, sweep: dict[str, Any]) -> Any:
    import wandb

    from pipeline.training.loggers.wandb_run import settings, wandb_id

    logs = folder / "logs"
    told = {key: sweep[key] for key in ("sweeper", "monitor", "mode", "space", "seeds", "common")}
    facts: dict[str, Any] = {
        "project": logger.project,
        "entity": logger.entity,
        "dir": logs,
        "name": folder.name,
        "group": folder.name,
        "job_type": "sweep",
        "config": redact(told),
        "reinit": "create_new",
        "save_code": False,
        "settings": settings(),
    }
    identity = wandb_id(logs, "sweep")
    if mode == "online":
        try:
            return wandb.init(mode="online", id=identity, resume="allow", **facts)
        except (wandb.Error, OSError, TimeoutError, ValueError) as error:
            said = redact(str(error).strip().partition("\n")[0] or type(error).__name__)
            print(f"warning: the sweep is logged offline, W&B cannot be used: {said}", file=sys.stderr)
    return wandb.init(mode="offline", **facts)
