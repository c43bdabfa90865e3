"""Several jobs at once on this machine: see pipeline.launch.launchers.local."""

from typing import TYPE_CHECKING

from hydra_plugins.hydratune.launching import FrozenRunsLauncher

if TYPE_CHECKING:
    from pipeline.launch.launchers.local import Local


class LocalLauncher(FrozenRunsLauncher):
    @staticmethod
    def component() -> "type[Local]":
        from pipeline.launch.launchers.local import Local

        return Local
