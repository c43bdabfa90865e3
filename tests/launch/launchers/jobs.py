"""Jobs that only write down where they ran: what launchers do is the same for them as for trainings."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Interrupted, Problem
from pipeline.runs.directory import FAILED, FINISHED, INTERRUPTED, RUNNING, RunDirectory, create
from pipeline.runs.environment import usable_cpus
from pipeline.training import interruption


def runs(folder: Path, *names: str) -> list[RunDirectory]:
    """Frozen runs; what they are to do is in their names."""
    return [create(folder, name, {}, {"id": name}) for name in names]


def overrides(runs: list[RunDirectory]) -> list[list[str]]:
    return [[f"run='{run.folder}'", "hydra.sweep.subdir=."] for run in runs]


def job(config: Any) -> None:
    """Writes the metrics that a training would, and where and when it ran."""
    run = RunDirectory(Path(config.run))
    what = run.folder.name.rstrip("0123456789")
    if what == "refused":
        raise BadInput(Problem("run", "is refused"))
    with run.working(), interruption.listening():
        starts = run.manifest()["starts"] + 1
        run.update(state=RUNNING, starts=starts)
        place = {
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "cpus": usable_cpus(),
            "process": os.getpid(),
        }
        if hasattr(os, "sched_getaffinity"):
            place["cores"] = sorted(os.sched_getaffinity(0))
        print(f"working on {what}")
        start = time.time()
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "failed":
            run.update(state=FAILED, error="RuntimeError: as asked")
            raise RuntimeError("as asked")
        while what == "long" and starts == 1 and time.time() < start + 60:
            if interruption.requested():
                run.update(state=INTERRUPTED)
                raise Interrupted("stopped, as asked")
            time.sleep(0.02)
        if what == "slow":
            time.sleep(0.7)
        place["time"] = [start, time.time()]
        (run.folder / "metrics.json").write_text(json.dumps({"optimized_metric": 0.5, "place": place}))
        run.update(state=FINISHED)


def place(run: RunDirectory) -> dict[str, Any]:
    return run.metrics()["place"]
