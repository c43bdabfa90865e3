"""``-m``: a sweep goes through Hydra, so that its launchers work, but only with what has been checked."""

from collections.abc import Callable
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.compose import locations
from pipeline.compose.best import take_best
from pipeline.compose.command_line import Call
from pipeline.compose.composing import Composed, compose_all, compose_hydra, config_loader, listed
from pipeline.compose.overrides import for_hydra, parse
from pipeline.compose.run_spec import RunSpec, load
from pipeline.errors import BadInput, Problem

SWEEPER = "hydra_plugins.hydratune.sweeper.HydratuneSweeper"


def run_multirun(call: Call, task_function: Callable[[DictConfig], Any]) -> Any:
    """Check and freeze every job, then have Hydra's launcher call ``task_function(config)`` for each, where
    ``config.run`` is the job's directory. Returns what the sweep is summarised as.

    ``task_function`` must be a function of a module other than ``__main__``: launchers pickle it. Hydra is
    entered behind its own command line, which would print tracebacks and end the process.
    Raises BadInput before anything is written.
    """
    version.setbase("1.3")
    taken = take_best(call.overrides)
    with taken.told(), locations.using(call.config_dir):
        loader = config_loader()
        parsed = parse(taken.words, loader)
        if parsed.problems:
            check_jobs(taken.words)
        settings = for_hydra(parsed.overrides, listed(loader, parsed.overrides))
        _check_hydra(compose_hydra(loader, settings, RunMode.MULTIRUN))
        hydra = Hydra(task_name=locations.PRIMARY, config_loader=loader)
        return hydra.multirun(locations.PRIMARY, task_function, settings, with_log_configuration=False)


def check_jobs(overrides: list[str] | tuple[str, ...]) -> list[tuple[Composed, RunSpec]]:
    """Every job of a sweep, composed and checked. Raises one BadInput with the problems of all of them."""
    jobs: list[tuple[Composed, RunSpec]] = []
    problems: dict[Problem, None] = {}
    for composed in compose_all(overrides):
        try:
            jobs.append((composed, load(composed)))
        except BadInput as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise BadInput(list(problems))
    return jobs


def _check_hydra(config: DictConfig) -> None:
    """Only our sweeper freezes jobs, and Hydra's callbacks would be a way around the allowed classes."""
    problems = []
    if config.hydra.sweeper.get("_target_") != SWEEPER:
        problems.append(
            Problem("hydra/sweeper", "each job must be frozen before it is launched", "hydratune")
        )
    if config.hydra.callbacks:
        problems.append(Problem("hydra.callbacks", "not supported", "the group `callbacks`"))
    if problems:
        raise BadInput(problems)
