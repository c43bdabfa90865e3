"""``-m``: a sweep goes through Hydra, so that its launchers work, but only with what has been checked."""

from collections.abc import Callable
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.compose import locations
from pipeline.compose.command_line import Call
from pipeline.compose.composing import compose_hydra, config_loader, listed
from pipeline.compose.launching import launcher_problems
from pipeline.compose.overrides import for_hydra, parse
from pipeline.compose.sweeping import read
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
    with locations.using(call.config_dir):
        loader = config_loader()
        parsed = parse(call.overrides, loader)
        if parsed.problems:
            read(call.overrides)  # Raises them.
        settings = for_hydra(parsed.overrides, listed(loader, parsed.overrides))
        _check_hydra(compose_hydra(loader, settings, RunMode.MULTIRUN))
        hydra = Hydra(task_name=locations.PRIMARY, config_loader=loader)
        return hydra.multirun(locations.PRIMARY, task_function, settings, with_log_configuration=False)


def _check_hydra(config: DictConfig) -> None:
    """Only our sweeper freezes jobs, and Hydra's callbacks would be a way around the allowed classes."""
    problems = []
    if config.hydra.sweeper.get("_target_") != SWEEPER:
        problems.append(
            Problem("hydra/sweeper", "each job must be frozen before it is launched", "hydratune")
        )
    if config.hydra.callbacks:
        problems.append(Problem("hydra.callbacks", "not supported", "the group `callbacks`"))
    problems += launcher_problems(config)
    if problems:
        raise BadInput(problems)
