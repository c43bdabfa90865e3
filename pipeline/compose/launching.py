"""Whether the launcher of a sweep could start its jobs, asked before anything is frozen."""

from typing import Any

from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from pipeline.compose.validation import validate
from pipeline.errors import Problem


def launcher_problems(config: DictConfig) -> list[Problem]:
    """What is wrong with ``hydra.launcher``; of another program's launcher nothing is known.

    config: as Hydra composes it for the sweep, with its own node.
    """
    values = _plain(config.hydra.launcher)
    # The class that Hydra would take, and no other.
    plugin = Plugins.instance().class_name_to_class.get(str(values.pop("_target_", "")))
    component = getattr(plugin, "component", None)
    if component is None:
        return []
    launcher, problems = validate(component(), values, "hydra.launcher")
    if launcher is None:
        return problems
    return list(launcher.problems(_plain(config.get("hardware"))))


def _plain(node: DictConfig | None) -> dict[str, Any]:
    values = OmegaConf.to_container(node) if node is not None else {}
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
