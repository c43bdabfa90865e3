"""What all launchers have in common: what they are given, how a job does its work, and how its end is told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from pipeline import errors
from pipeline.component import component
from pipeline.errors import BadInput, Interrupted, Problem, RunFailed
from pipeline.runs.directory import CREATED, FAILED, FINISHED, INTERRUPTED, PRUNED, RUNNING, RunDirectory
from pipeline.training import interruption

# What works in the run that ``config.run`` names. It is pickled: a function of a module other than ``__main__``.
Task = Callable[[Any], Any]
# The states of a run that its process has left with a word.
ENDED = (FINISHED, FAILED, INTERRUPTED, PRUNED)


@component
class Launcher:
    """The settings of a launcher (``hydra.launcher``), and what it does with them."""

    def problems(self, hardware: Mapping[str, Any]) -> Iterator[Problem]:
        """Why no job could start here, asked before anything is frozen.

        hardware: the values of the group of that name, as far as they are the same for all jobs.
        """
        yield from ()

    def run(self, task: Task, runs: Sequence[RunDirectory], hardware: Mapping[str, Any]) -> list[JobReturn]:
        """Bring frozen runs to their ends, and say how each ended. One that fails ends no other.

        May be called from several threads at a time; one in the main thread listens for the request to stop.
        Raises Interrupted once every job has left, where this process was asked to stop.
        """
        raise NotImplementedError


def folders(job_overrides: Sequence[Sequence[str]]) -> list[RunDirectory]:
    """The directories that the overrides of jobs name (``run='DIR'``), in their order."""
    parser = OverridesParser.create()
    named = [next(text for text in overrides if text.startswith("run=")) for overrides in job_overrides]
    return [RunDirectory(Path(str(parser.parse_override(text).value()))) for text in named]


def work_in(task: Task, folder: str) -> Any:
    """Do a job's work in this process; also what goes wrong before the work has begun is recorded in its directory."""
    run = RunDirectory(Path(folder))
    try:
        return task(OmegaConf.create({"run": folder}))
    except Exception as error:
        if not isinstance(error, Interrupted) and run.state == CREATED and not run.is_worked_on():
            run.update(state=FAILED, error=f"{type(error).__name__}: {error}")
        raise


def told(task: Task, folder: str) -> int:
    """The same in a process of the job's own: what was wrong goes to standard error. An exit code."""
    try:
        work_in(task, folder)
    except (BadInput, RunFailed, Interrupted) as error:
        print(error, file=sys.stderr)
        return errors.INTERRUPTED if isinstance(error, Interrupted) else errors.FAILED
    except Exception:  # noqa: BLE001  the outermost layer of the job, whose directory has it too
        traceback.print_exc()
        return errors.FAILED
    return errors.FINISHED


def ended(run: RunDirectory, how: str) -> JobReturn:
    """How a job ended whose process is gone.

    how: what is known of that, for the record of a run that could leave no word itself.
    """
    manifest = run.manifest()
    state, error = manifest["state"], manifest.get("error")
    if state not in ENDED:
        if run.is_worked_on():
            error = "another process works on this run"
        elif interruption.requested():
            if state == RUNNING:
                run.update(state=INTERRUPTED)
            state = INTERRUPTED
        else:
            state, error = FAILED, how
            run.update(state=state, error=error)
    return _returned(run, state, error or how)


def never_started(run: RunDirectory) -> JobReturn:
    return _returned(run, INTERRUPTED, "")


def _returned(run: RunDirectory, state: str, error: str) -> JobReturn:
    job = JobReturn()
    job.overrides, job.cfg = [f"run={run.folder}"], OmegaConf.create({"run": str(run.folder)})
    job.working_dir, job.task_name = str(Path.cwd()), run.folder.name
    done = state in (FINISHED, PRUNED)
    job.status = JobStatus.COMPLETED if done else JobStatus.FAILED
    if done:
        job.return_value = run.metrics().get("optimized_metric")
    else:
        stopped = state == INTERRUPTED
        job.return_value = Interrupted(f"{run.folder} can go on") if stopped else RunFailed(error)
    return job


def stop_if_asked(runs: Sequence[RunDirectory]) -> None:
    """Raises Interrupted, with what to do, where this process was asked to stop and jobs are left."""
    left = [run for run in runs if run.state not in (FINISHED, PRUNED)]
    if interruption.requested() and left:
        number = f"{len(left)} job{'s' * (len(left) != 1)}"
        raise Interrupted(f"{number} of the sweep did not finish; the same command goes on from there")


def say(run: RunDirectory, what: str) -> None:
    """A line on standard error, while jobs run."""
    print(f"{run.folder.name}: {what}", file=sys.stderr, flush=True)


def say_end(run: RunDirectory, job: JobReturn) -> None:
    value = job._return_value
    if run.state == PRUNED:
        say(run, "pruned")
    elif job.status is JobStatus.COMPLETED:
        say(run, "finished" if value is None else f"finished, {value:.4f}")
    elif isinstance(value, Interrupted):
        say(run, "stopped; it can go on")
    else:
        said = str(value).strip() or "nothing is known of why"
        say(run, f"failed: {said.splitlines()[0]}")
