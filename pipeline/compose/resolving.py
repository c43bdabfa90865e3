"""Interpolations of a composed configuration to plain values."""

import copy
import re
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import Problem

HIDDEN = "<from the environment>"
# Deeper than any configuration: what is met here refers to itself.
DEEPEST = 32


def resolve(config: DictConfig) -> tuple[dict[str, Any], list[Problem]]:
    """The configuration as plain values, and what could not be resolved (left out of the values)."""
    problems: list[Problem] = []
    return _plain(config, "", problems, 0), problems


def public(config: DictConfig) -> dict[str, Any]:
    """Resolved, with whatever was read from an environment variable hidden: fit to print, log and publish."""
    shown = copy.deepcopy(config)
    _hide(shown)
    return resolve(shown)[0]


def _hide(node: DictConfig | ListConfig) -> None:
    keys: list[Any] = list(node.keys()) if isinstance(node, DictConfig) else list(range(len(node)))
    for key in keys:
        child = _written(node, key)
        if (
            isinstance(child, DictConfig | ListConfig)
            and not child._is_interpolation()
            and not child._is_none()
            and not child._is_missing()
        ):
            _hide(child)
        elif re.search(r"\$\{\s*oc\.env\b", str(child._value())):
            OmegaConf.set_readonly(node, False)
            node[key] = HIDDEN


def _plain(node: Container, key: str, problems: list[Problem], depth: int) -> Any:
    if depth > DEEPEST:
        problems.append(Problem(key, "refers to itself"))
        return None
    if isinstance(node, DictConfig):
        prefix = f"{key}." if key else ""
        values = {str(name): _value(node, name, f"{prefix}{name!s}", problems, depth) for name in node}
        return {name: value for name, value in values.items() if value is not _UNKNOWN}
    assert isinstance(node, ListConfig)
    items = [_value(node, i, f"{key}.{i}", problems, depth) for i in range(len(node))]
    return [item for item in items if item is not _UNKNOWN]


_UNKNOWN = object()


def _value(node: Container, name: Any, path: str, problems: list[Problem], depth: int) -> Any:
    """The value of one key; ``_UNKNOWN`` where there is none to be had."""
    if OmegaConf.is_missing(node, name):
        problems.append(Problem(path, "must be set", f"{path}=…"))
        return _UNKNOWN
    try:
        value = node[name]
    except (OmegaConfBaseException, RecursionError) as error:
        problems.append(_unresolved(node, name, path, error))
        return _UNKNOWN
    return _plain(value, path, problems, depth + 1) if isinstance(value, Container) else value


def _written(node: Container, key: Any) -> Node:
    """The node of a key as it was written, interpolations kept."""
    child = node._get_node(key)
    assert isinstance(child, Node)
    return child


def _unresolved(node: Container, name: Any, path: str, error: Exception) -> Problem:
    text = str(_written(node, name)._value())
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return Problem(path, f"{text} refers to itself")
    reason = str(error).splitlines()[0].removeprefix("KeyError raised while resolving interpolation: ")
    return Problem(path, f"{text} cannot be resolved: {reason}")
