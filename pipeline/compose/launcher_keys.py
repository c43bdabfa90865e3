"""The keys of ``hydra.launcher`` are those of the launcher that was chosen: what was meant by one that it lacks."""

import yaml

from pipeline.compose import locations
from pipeline.errors import Problem, listing, nearest

_GROUP, _NODE = "hydra/launcher", "hydra.launcher."


def unknown(key: str) -> Problem | None:
    """The complaint about a key of ``hydra.launcher``; None about any other."""
    if not key.startswith(_NODE):
        return None
    keys = {name: _keys(name) for name in locations.options(_GROUP)}
    every = sorted({name for names in keys.values() for name in names})
    close = nearest(key.removeprefix(_NODE), every)
    having = [f"{_GROUP}={option}" for option, names in keys.items() if close in names]
    allowed = (
        f"{_NODE}{close} with {listing(having)}" if close else f"keys of {_GROUP}: {listing(every, most=60)}"
    )
    meant = f"{_NODE}{close}" if close and f"{_NODE}{close}" != key else ""
    return Problem(key, "the launcher that is chosen has no such key", allowed, meant)


def _keys(option: str) -> list[str]:
    values = yaml.safe_load(locations.options(_GROUP)[option].read_text(encoding="utf-8")) or {}
    return [name for name in values if not name.startswith("_")]
