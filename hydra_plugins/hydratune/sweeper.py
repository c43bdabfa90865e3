"""Freezes every job of a sweep, then hands the launcher nothing but run directories."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runs.directory import RunDirectory


@dataclass
class HydratuneSweeperConfig:
    _target_: str = "hydra_plugins.hydratune.sweeper.HydratuneSweeper"
    # Further sweep overrides, as in Hydra's basic sweeper: {strategy: "lora,full"}.
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="hydratune", node=HydratuneSweeperConfig, provider="hydratune"
)


class HydratuneSweeper(Sweeper):
    """Sweeps of ``run=DIR`` jobs: a launcher that composes again inside a job finds the same run."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """What the group `sweep` asks for, see pipeline.launch.sweeps. A failing job ends no other.

        Raises BadInput before anything is written, Interrupted when jobs were asked to stop.
        """
        from pipeline.compose.sweeping import read
        from pipeline.launch.sweeps import running

        configured = [f"{key}={value}" for key, value in self.params.items()]
        asked = read([*configured, *(argument.removeprefix("++") for argument in arguments)])
        trials = running.prepare(asked)
        return running.run(asked, trials, self._launching(trials.folder))

    def _launching(self, folder: "Path") -> "Launching":
        from hydra.core.plugins import Plugins

        assert self.config is not None and self.hydra_context is not None and self.task_function is not None
        with open_dict(self.config):
            self.config.hydra.sweep.dir, self.config.hydra.sweep.subdir = str(folder), "."
        launcher = Plugins.instance().instantiate_launcher(
            self.hydra_context, self.task_function, self.config
        )
        return Launching(launcher, folder)


class Launching:
    """Hydra's launcher as pipeline.launch.sweeps.working.Launch."""

    def __init__(self, launcher: Any, folder: "Path") -> None:
        from hydra._internal.core_plugins.basic_launcher import BasicLauncher

        self.launcher, self.folder, self.launched = launcher, folder, 0
        self.here = isinstance(launcher, BasicLauncher)
        self.concurrent = getattr(launcher, "concurrent", False)

    def __call__(self, runs: Sequence["RunDirectory"]) -> list[BaseException | None]:
        from pipeline.compose.overrides import quoted

        place = [f"hydra.sweep.dir={quoted(str(self.folder))}", "hydra.sweep.subdir=."]
        words = [[f"run={quoted(str(run.folder))}", *place] for run in runs]
        first, self.launched = self.launched, self.launched + len(words)
        # `return_value` of a failed job raises; the plain attribute does not.
        ended = [one._return_value for one in self.launcher.launch(words, initial_job_idx=first)]
        return [value if isinstance(value, BaseException) else None for value in ended]
