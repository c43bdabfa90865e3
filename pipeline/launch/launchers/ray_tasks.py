"""Tasks of a Ray cluster, or of Ray on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.component import component
from pipeline.errors import Problem
from pipeline.launch.launchers.base import Launcher, Task, ended, say, say_end, stop_if_asked, told
from pipeline.launch.launchers.packages import missing
from pipeline.launch.launchers.slots import VISIBLE, usable_gpus
from pipeline.runs.directory import RunDirectory
from pipeline.runs.environment import GRANTED_CPUS, usable_cpus
from pipeline.training import interruption

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

Amount = Annotated[float, Field(ge=0)]
# Variables that reach tasks on other machines.
_PASSED_ON = ("HF_", "HYDRATUNE_", "TOKENIZERS_", "WANDB_")
_STARTING = threading.Lock()


@component
class Ray(Launcher):
    address: str | None = None
    num_cpus: Amount = 1
    num_gpus: Amount = 0
    resources: dict[str, Amount] = Field(default_factory=dict)
    init: dict[str, Any] = Field(default_factory=dict)

    def problems(self, hardware: Mapping[str, Any]) -> Iterator[Problem]:
        yield from missing("ray", "ray", "ray")
        if self.address is not None:
            return  # A cluster may grow.
        for key, asked, there, what in (
            ("num_cpus", self.num_cpus, self.init.get("num_cpus", usable_cpus()), "CPU"),
            ("num_gpus", self.num_gpus, self.init.get("num_gpus", len(usable_gpus())), "GPU"),
        ):
            if asked > there:
                which = f"asks for {asked:g} {what}s a job, and Ray on this machine has {there}"
                yield Problem(f"hydra.launcher.{key}", which, f"at most {there}, or hydra.launcher.address=…")

    def run(self, task: Task, runs: Sequence[RunDirectory], hardware: Mapping[str, Any]) -> list[JobReturn]:
        import ray

        self._start()
        # A process of its own for each job: nothing of one reaches another, and its GPU memory is given back.
        attempt = ray.remote(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            resources=self.resources,
            max_calls=1,
            max_retries=0,
        )(_attempt)
        environment = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        environment[GRANTED_CPUS] = str(max(1, int(self.num_cpus)))
        if not self.num_gpus:
            environment[VISIBLE] = ""
        with interruption.listening():
            waiting = {
                attempt.remote(task, str(run.folder), str(Path.cwd()), environment): number
                for number, run in enumerate(runs)
            }
            jobs: dict[int, JobReturn] = {}
            asked = False
            while waiting:
                over, _ = ray.wait(list(waiting), timeout=0.5)
                for reference in over:
                    number = waiting.pop(reference)
                    jobs[number] = ended(runs[number], _how(reference))
                    say_end(runs[number], jobs[number])
                if interruption.requested() and not asked:
                    asked = True
                    for reference in waiting:
                        ray.cancel(reference)  # An interrupt, which the job hears as Ctrl-C.
            stop_if_asked(runs)
        return [jobs[number] for number in range(len(runs))]

    def _start(self) -> None:
        """Connect, once for this process; Ray leaves when it ends."""
        import ray

        quietly = {"include_dashboard": False} if self.address is None else {}
        with _STARTING:
            if not ray.is_initialized():
                ray.init(address=self.address, **{"log_to_driver": False, **quietly, **self.init})


def _attempt(task: Task, folder: str, where: str, environment: dict[str, str]) -> None:
    """In a worker of Ray."""
    from pipeline.launch.launchers.output import into_logs

    os.environ.update(environment)
    if Path(where).is_dir():
        os.chdir(where)
    run = RunDirectory(Path(folder))
    say(run, "started")
    into_logs(run)
    with interruption.listening():
        told(task, folder)


def _how(reference: Any) -> str:
    """What Ray says of a task whose job may have left no word."""
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.RayError as error:
        said = str(error).strip() or type(error).__name__
        return f"its worker ended: {said.splitlines()[0]}"
    return "its task ended without a word"
