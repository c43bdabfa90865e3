"""Freezes every job of a sweep, then hands the launcher nothing but run directories."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


@dataclass
class HydratuneSweeperConfig:
    _target_: str = "hydra_plugins.hydratune.sweeper.HydratuneSweeper"
    # Further sweep overrides, as in Hydra's basic sweeper: {strategy: "lora,full"}.
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="hydratune", node=HydratuneSweeperConfig, provider="hydratune"
)


class HydratuneSweeper(Sweeper):
    """Grid sweeps of ``run=DIR`` jobs: a launcher that composes again inside a job finds the same run."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Check all jobs, freeze all, launch all. A failing job ends no other: state is in the directories.

        Raises BadInput before anything is written, Interrupted when a job in this process was asked to stop.
        """
        from pipeline.compose.frozen import frozen_files
        from pipeline.compose.multirun import check_jobs
        from pipeline.launch.sweeps import freezing as sweep

        configured = [f"{key}={value}" for key, value in self.params.items()]
        jobs = check_jobs([*configured, *(argument.removeprefix("++") for argument in arguments)])
        frozen = sweep.freeze_all(
            [(spec, frozen_files(composed), composed.overrides) for composed, spec in jobs]
        )
        self._launch([str(run.folder) for run in frozen.pending], str(frozen.folder))
        return sweep.summarise(frozen)

    def _launch(self, runs: Sequence[str], folder: str) -> None:
        from hydra._internal.core_plugins.basic_launcher import BasicLauncher
        from hydra.core.plugins import Plugins

        from pipeline.compose.overrides import quoted
        from pipeline.errors import Interrupted

        assert self.config is not None and self.hydra_context is not None and self.task_function is not None
        with open_dict(self.config):
            self.config.hydra.sweep.dir, self.config.hydra.sweep.subdir = folder, "."
        launcher = Plugins.instance().instantiate_launcher(
            self.hydra_context, self.task_function, self.config
        )
        place = [f"hydra.sweep.dir={quoted(folder)}", "hydra.sweep.subdir=."]
        batches = [[f"run={quoted(run)}", *place] for run in runs]
        # In this process jobs run one after another, so a stop can be heard between two of them.
        step = 1 if isinstance(launcher, BasicLauncher) else max(len(batches), 1)
        for start in range(0, len(batches), step):
            returns: Sequence[JobReturn] = launcher.launch(
                batches[start : start + step], initial_job_idx=start
            )
            # `return_value` of a failed job raises; the plain attribute does not.
            stopped = [r._return_value for r in returns if isinstance(r._return_value, Interrupted)]
            if stopped and step == 1:
                raise stopped[0]
