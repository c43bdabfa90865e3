"""Jobs of a Slurm cluster, through submitit.

One side puts jobs into the queue again: a job that is told (SIGUSR2) that it will be preempted or that its time is
over writes a checkpoint, and only then is the signal handed to submitit, which has the job queued again. What Slurm
itself puts there again (a node that failed, `scontrol requeue`) starts from the same pickle and goes on likewise.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline import errors
from pipeline.component import component
from pipeline.errors import Interrupted, Problem
from pipeline.launch.launchers.base import ENDED, Launcher, Task, ended, say, say_end, stop_if_asked, work_in
from pipeline.launch.launchers.packages import missing
from pipeline.launch.launchers.slurm_queue import QUEUE
from pipeline.runs.directory import RunDirectory
from pipeline.training import interruption

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

Count = Annotated[int, Field(ge=1)]
# Settings that submitit takes by the same name for every kind of cluster.
_GENERAL = ("timeout_min", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb", "name")
_POLL_SECONDS = 1.0
# A shared disk may show late what a job has written at its end.
_ANSWER_SECONDS = 30
_LATE_SECONDS = 10.0
# A job that is told to stop before it listens does not hear it.
_TELL_AGAIN_SECONDS = 10.0


@component
class Slurm(Launcher):
    submitit_folder: str | None = None
    name: str = "hydratune"
    timeout_min: Count = 60
    max_num_timeout: Annotated[int, Field(ge=0)] = 20
    signal_delay_s: Annotated[int, Field(ge=0)] = 120
    nodes: Count = 1
    tasks_per_node: Count = 1
    cpus_per_task: Count | None = None
    gpus_per_node: Count | None = None
    gpus_per_task: Count | None = None
    cpus_per_gpu: Count | None = None
    gres: str | None = None
    mem_gb: Count | None = None
    mem_per_gpu: str | None = None
    mem_per_cpu: str | None = None
    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    comment: str | None = None
    array_parallelism: Count = 256
    setup: list[str] | None = None
    stderr_to_stdout: bool = False
    additional_parameters: dict[str, Any] = Field(default_factory=dict)

    def problems(self, hardware: Mapping[str, Any]) -> Iterator[Problem]:
        yield from missing("submitit", "submitit_slurm", "slurm")
        if shutil.which("sbatch") is None:
            what = "submitit_slurm needs sbatch, which is not on this machine"
            yield Problem(
                "hydra/launcher", what, "a login node of a cluster; local runs jobs on this machine"
            )
        elif silent := _silent():
            what = f"the cluster does not answer: {silent}"
            yield Problem("hydra/launcher", what, "local runs jobs on this machine")
        devices = hardware.get("devices")
        if (
            self.nodes * self.tasks_per_node > 1
            and isinstance(devices, int)
            and devices != self.tasks_per_node
        ):
            what = f"is {self.tasks_per_node}, and hardware.devices, the processes on each node, is {devices}"
            yield Problem("hydra.launcher.tasks_per_node", what, f"{devices}, or hardware.devices=auto")

    def run(self, task: Task, runs: Sequence[RunDirectory], hardware: Mapping[str, Any]) -> list[JobReturn]:
        with interruption.listening():
            executor = self._executor(runs[0].folder.parent)
            with executor.batch():  # one array
                submitted = [executor.submit(Attempt(task, str(run.folder))) for run in runs]
            QUEUE.forget()
            waiting = dict(enumerate(submitted))
            for number, job in waiting.items():
                say(runs[number], f"job {job.job_id} of Slurm")
            jobs: dict[int, JobReturn] = {}
            asked_at = float("-inf")
            while waiting:
                if interruption.requested() and time.monotonic() - asked_at > _TELL_AGAIN_SECONDS:
                    QUEUE.stop([job.job_id for job in waiting.values()])
                    asked_at = time.monotonic()
                for number in [number for number, job in waiting.items() if _is_over(job)]:
                    jobs[number] = _end(runs[number], waiting.pop(number))
                    say_end(runs[number], jobs[number])
                time.sleep(_POLL_SECONDS)
            stop_if_asked(runs)
        return [jobs[number] for number in range(len(runs))]

    def _executor(self, sweep: Path) -> Any:
        import submitit

        folder = self.submitit_folder or str(sweep / ".submitit" / "%j")
        executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=self.max_num_timeout)
        aside = ("submitit_folder", "max_num_timeout")
        settings = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in aside
        }
        # A process that fails must not leave the others of its job waiting for it.
        settings["srun_args"] = ["--kill-on-bad-exit=1"]
        executor.update_parameters(
            **{
                name if name in _GENERAL else f"slurm_{name}": value
                for name, value in settings.items()
                if value is not None
            }
        )
        return executor


@dataclass(frozen=True)
class Attempt:
    """What submitit pickles, and calls in every process of a job: work on a run from wherever it stands."""

    task: Task
    folder: str

    def __call__(self) -> None:
        with interruption.listening():
            try:
                work_in(self.task, self.folder)
                return
            except Interrupted as error:
                print(error, flush=True)
            asked_by = interruption.asked_by()
        if asked_by == signal.SIGUSR2:
            # The handler is submitit's again. In the first process it has the job queued again, and ends here.
            signal.raise_signal(signal.SIGUSR2)
            # The others are ended by Slurm; were they to end before, it would take that for a failure of the job.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pause()
        # Without a result: whoever waits for one sees what becomes of the job in the queue.
        raise SystemExit(errors.INTERRUPTED)

    def checkpoint(self) -> Any:
        """What submitit has queued again: the same, as the state is in the directory."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _silent() -> str | None:
    """Why nothing can be submitted although the commands of Slurm are here: the last that they say. None: it can."""
    try:
        done = subprocess.run(
            ["sinfo", "--noheader"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.strip().splitlines()[-1:] or [f"sinfo left with {done.returncode}"]
    return said[0] if done.returncode else None


def _is_over(job: Any) -> bool:
    return job.paths.result_pickle.exists() or not QUEUE.has(job.job_id)


def _end(run: RunDirectory, job: Any) -> JobReturn:
    end = time.monotonic() + _LATE_SECONDS
    while run.state not in ENDED and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    logs = job.paths.stderr if job.paths.stderr.exists() else job.paths.folder
    return ended(run, f"job {job.job_id} of Slurm ended without a word; see {logs}")
