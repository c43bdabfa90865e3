"""Jobs of a Slurm cluster: see pipeline.launch.launchers.slurm_jobs."""

from typing import TYPE_CHECKING

from hydra_plugins.hydratune.launching import FrozenRunsLauncher

if TYPE_CHECKING:
    from pipeline.launch.launchers.slurm_jobs import Slurm


class SlurmLauncher(FrozenRunsLauncher):
    @staticmethod
    def component() -> "type[Slurm]":
        from pipeline.launch.launchers.slurm_jobs import Slurm

        return Slurm
