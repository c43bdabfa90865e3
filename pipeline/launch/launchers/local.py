"""Jobs on this machine, several at once, each with GPUs or cores of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.launch.launchers.base import Launcher, Task, ended, never_started, say, say_end, stop_if_asked
from pipeline.launch.launchers.slots import Slot, cut, free_slot, usable_cores, usable_gpus
from pipeline.runs.directory import RunDirectory
from pipeline.runs.environment import usable_cpus
from pipeline.training import interruption

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

Count = Annotated[int, Field(ge=1)]
# Cores of a job that does not say how many threads it computes with.
_CORES = 4


@component
class Local(Launcher):
    # At once. auto: one a GPU (or as many GPUs as one has), without GPUs as many as there are cores for.
    jobs: Literal["auto"] | Count = "auto"
    # auto: hardware.devices where that is a number, else 1 where there are GPUs.
    gpus_per_job: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    # auto: hardware.threads where that is a number, else an equal share for as many jobs as there are.
    cores_per_job: Literal["auto"] | Count = "auto"

    def problems(self, hardware: Mapping[str, Any]) -> Iterator[Problem]:
        try:
            self.slots(hardware)
        except BadInput as error:
            yield from error.problems

    def slots(self, hardware: Mapping[str, Any]) -> list[Slot]:
        """The shares of this machine. Raises BadInput where it has too little for what is asked."""
        gpus = usable_gpus() if hardware.get("accelerator", "auto") in ("auto", "gpu") else []
        cores, processes = usable_cpus(), hardware.get("devices")
        gpus_each = self._gpus_each(processes, len(gpus))
        if gpus_each > len(gpus):
            what = f"asks for {_number(gpus_each, 'GPU')} a job, and this machine has {len(gpus)}"
            allowed = f"at most {len(gpus)}" if gpus else "0: jobs compute on the CPU"
            raise BadInput(Problem("hydra.launcher.gpus_per_job", what, allowed))
        if gpus_each and isinstance(processes, int) and processes > gpus_each:
            what = f"is {gpus_each}, and a job computes on hardware.devices={processes}"
            raise BadInput(Problem("hydra.launcher.gpus_per_job", what, f"auto, or at least {processes}"))
        needed = self._cores_needed(hardware, bool(gpus_each))
        if self.cores_per_job != "auto" and needed > cores:
            what = f"asks for {_number(needed, 'core')} a job, and this machine has {cores}"
            raise BadInput(Problem("hydra.launcher.cores_per_job", what, f"at most {cores}"))
        most = cores // min(needed, cores)
        if gpus_each:
            most = min(most, len(gpus) // gpus_each)
        if self.jobs != "auto" and self.jobs > most:
            each = _number(gpus_each, "GPU") if gpus_each else _number(needed, "core")
            of = _number(len(gpus), "GPU") if gpus_each else _number(cores, "core")
            what = f"{self.jobs} at once, each with {each} of its own, are too many for {of}"
            raise BadInput(Problem("hydra.launcher.jobs", what, f"at most {most}"))
        count = most if self.jobs == "auto" else self.jobs
        cores_each = needed if self.cores_per_job != "auto" else cores // count
        return cut(count, gpus, gpus_each, usable_cores(), cores_each)

    def run(self, task: Task, runs: Sequence[RunDirectory], hardware: Mapping[str, Any]) -> list[JobReturn]:
        slots = self.slots(hardware)
        abandoned = threading.Event()

        def bring_to_its_end(run: RunDirectory) -> JobReturn:
            from pipeline.launch.launchers.processes import run_in_process

            with free_slot(slots) as slot:
                if slot is None:
                    return never_started(run)
                say(run, f"started on {slot}")
                how = run_in_process(task, run, slot, abandoned.is_set)
            job = ended(run, how)
            say_end(run, job)
            return job

        with interruption.listening(), ThreadPoolExecutor(len(slots)) as threads:
            try:
                jobs = list(threads.map(bring_to_its_end, runs))
            except BaseException:
                abandoned.set()
                raise
            stop_if_asked(runs)
        return jobs

    def _gpus_each(self, processes: Any, there: int) -> int:
        if self.gpus_per_job != "auto":
            return self.gpus_per_job
        return (processes if isinstance(processes, int) else 1) if there else 0

    def _cores_needed(self, hardware: Mapping[str, Any], on_gpu: bool) -> int:
        """The fewest cores that a job can do with."""
        if self.cores_per_job != "auto":
            return self.cores_per_job
        threads, processes = hardware.get("threads"), hardware.get("devices")
        if not isinstance(threads, int):
            threads = 1 if on_gpu or self.jobs != "auto" else _CORES
        return threads * (processes if isinstance(processes, int) else 1)


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
