"""What Hydra's launchers of this program have in common: frozen runs go in, how they ended comes out."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from pipeline.launch.launchers import base


class FrozenRunsLauncher(Launcher):
    """Hands jobs, which are ``run=DIR`` each, to a launcher of :mod:`pipeline.launch.launchers`."""

    # launch() may be called from several threads at a time.
    concurrent = True

    def __init__(self, **settings: Any) -> None:
        self.settings = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    @staticmethod
    @abstractmethod
    def component() -> "type[base.Launcher]":
        """The settings, and what is done with them."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Raises Interrupted where this process was asked to stop, once all jobs have left."""
        from pipeline.launch.launchers.base import folders

        assert self.task_function is not None and self.config is not None
        hardware = OmegaConf.to_container(self.config.get("hardware") or OmegaConf.create())
        assert isinstance(hardware, dict)
        launcher = self.component()(**self.settings)
        values = {str(key): value for key, value in hardware.items()}
        return launcher.run(self.task_function, folders(job_overrides), values)
