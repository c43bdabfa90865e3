"""``_target_`` behind an allow-list: a configuration names component classes, and can name nothing else."""

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.compose.leaf import Leaf
from pipeline.errors import BadInput, Problem, listing, nearest

TRUST = "HYDRATUNE_TRUST"
OURS = "pipeline"


@dataclass(frozen=True)
class Kind:
    """What a group may name: subclasses of ``base``; with a ``leaf``, classes of its library too."""

    base: type
    leaf: type[Leaf] | None = None

    def allowed(self) -> str:
        modules = [f"{OURS}.…"]
        modules += [f"{self.leaf.module}.…"] if self.leaf else []
        modules += [f"{name}.…" for name in trusted()]
        return f"{self.base.__name__} classes of {listing(modules)}; yours: --trust MODULE or {TRUST}=MODULE"


def trust(*modules: str) -> None:
    """Allow classes of ``modules`` in this process and its children."""
    names = [*trusted(), *(name for text in modules for name in text.split(",") if name)]
    bad = [name for name in names if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name)]
    if bad:
        raise BadInput(
            [
                Problem("--trust", f"'{name}' is not the name of a module", "my_tasks, my_package.models")
                for name in bad
            ]
        )
    os.environ[TRUST] = ",".join(dict.fromkeys(names))


def trusted() -> list[str]:
    """Modules that the user trusts: named in the environment or as a flag, never in a configuration."""
    return [name.strip() for name in os.environ.get(TRUST, "").split(",") if name.strip()]


def resolve(entry: Mapping[str, Any], kind: Kind, key: str) -> type | Leaf:
    """The component class that ``entry['_target_']`` names, or a third-party leaf with its arguments.

    A module is imported only if it is ours or trusted; other libraries' leaves stay names until built.
    Raises BadInput for anything else.
    """
    target, where = entry.get("_target_"), f"{key}._target_"
    if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", target):
        raise BadInput(Problem(where, f"{target!r} does not name a class", kind.allowed()))
    if _within(target, [OURS, *trusted()]):
        found = _class(target, where, kind)
        if issubclass(found, kind.base):
            return found
        if kind.leaf is not None and _within(target, trusted()):
            return _leaf(entry, kind.leaf, target, key)
        raise BadInput(Problem(where, f"'{target}' is not a {kind.base.__name__}", kind.allowed()))
    module, _, name = target.rpartition(".")
    if kind.leaf is not None and module == kind.leaf.module:
        return _leaf(entry, kind.leaf, target, key)
    meant = f"{kind.leaf.module}.{name}" if kind.leaf and _within(module, [kind.leaf.module]) else ""
    raise BadInput(Problem(where, f"'{target}' is not allowed", kind.allowed(), meant))


def _within(name: str, modules: list[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _class(target: str, where: str, kind: Kind) -> type:
    """Import an allowed module and take a class that it, or another allowed module, defines."""
    module_name, _, name = target.rpartition(".")
    if not _within(module_name, [OURS, *trusted()]):
        raise BadInput(Problem(where, f"'{target}' does not name a class", kind.allowed()))
    try:
        module = importlib.import_module(module_name)
    except SyntaxError as error:
        raise BadInput(
            Problem(f"{error.filename}:{error.lineno}", f"not valid Python: {error.msg}")
        ) from error
    except ImportError as error:
        raise BadInput(Problem(where, f"cannot import '{module_name}': {error}", kind.allowed())) from error
    found = getattr(module, name, None)
    if found is None:
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, kind.base)]
        raise BadInput(
            Problem(where, f"'{module_name}' has no '{name}'", listing(classes), nearest(name, classes))
        )
    if not isinstance(found, type) or not _within(found.__module__, [OURS, *trusted()]):
        raise BadInput(Problem(where, f"'{target}' is not a class of that module", kind.allowed()))
    return found


def _leaf(entry: Mapping[str, Any], leaf: type[Leaf], target: str, key: str) -> Leaf:
    kwargs = {name: value for name, value in entry.items() if name != "_target_"}
    if nested := list(_directives(kwargs, key)):
        what = "is not allowed inside the options of another library's class"
        raise BadInput([Problem(place, what, "plain values") for place in nested])
    return leaf(key, target, kwargs)


def _directives(value: Any, key: str) -> list[str]:
    """Places of keys such as ``_target_`` and ``_args_``, which other programs take for instructions."""
    if isinstance(value, Mapping):
        here = [f"{key}.{name}" for name in value if re.fullmatch(r"_\w+_", str(name))]
        return here + [
            place for name, child in value.items() for place in _directives(child, f"{key}.{name}")
        ]
    if isinstance(value, list):
        return [place for i, child in enumerate(value) for place in _directives(child, f"{key}.{i}")]
    return []
