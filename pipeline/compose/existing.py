"""Whether a configuration has a key, by what its components declare rather than by what its files write."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from pipeline.compose.composing import Composed
from pipeline.compose.leaf import Leaf
from pipeline.compose.run_spec import SEVERAL, SINGLE, Root
from pipeline.compose.target import resolve as resolve_target
from pipeline.compose.words import fields_of
from pipeline.errors import BadInput


def has(composed: Composed, key: str) -> bool:
    """Whether something reads ``key`` in this configuration. What lies inside a field is left to validation."""
    first, *rest = key.lstrip("+").split(".")
    node: Any = OmegaConf.select(composed.config, first)
    kind = SINGLE.get(first)
    if first in SEVERAL and rest:
        kind, node, rest = SEVERAL[first], (node or {}).get(rest[0]), rest[1:]
    if kind is None:
        return first in fields_of(Root) or node is not None
    if not isinstance(node, Mapping) or not node.get("_target_"):
        return False
    try:
        found = resolve_target({"_target_": node["_target_"]}, kind, first)
    except BadInput:
        return True  # What is wrong with it is said when it is loaded.
    return not rest or isinstance(found, Leaf) or rest[0] in fields_of(found)
