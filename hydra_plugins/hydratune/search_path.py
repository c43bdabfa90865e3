"""Puts the user's own configuration folders before the shipped one."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.compose import locations


class HydratuneSearchPath(SearchPathPlugin):
    """Prepends ``--config-dir`` and ``./conf``; Hydra alone would put ``--config-dir`` last.

    Plugins are seen by every Hydra program in the environment, so anything but our own is left alone.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        ours = locations.shipped()
        mains = [element.path for element in search_path.get_path() if element.provider == "main"]
        if not any(path and Path(path.removeprefix("file://")) == ours for path in mains):
            return
        for folder in locations.search_path()[:-1]:
            search_path.prepend(provider="hydratune", path=f"file://{folder}", anchor="main")
