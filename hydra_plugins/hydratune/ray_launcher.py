"""Tasks of a Ray cluster: see pipeline.launch.launchers.ray_tasks."""

from typing import TYPE_CHECKING

from hydra_plugins.hydratune.launching import FrozenRunsLauncher

if TYPE_CHECKING:
    from pipeline.launch.launchers.ray_tasks import Ray


class RayLauncher(FrozenRunsLauncher):
    @staticmethod
    def component() -> "type[Ray]":
        from pipeline.launch.launchers.ray_tasks import Ray

        return Ray
