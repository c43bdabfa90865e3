"""What makes two runs the same run: a hash of everything that its numbers depend on."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OURS = ("pipeline", "builtins")


def canonical(value: Any) -> Any:
    """Plain JSON of a component, its class named, so that equal settings give equal text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Where content lies does not matter: its fingerprint stands beside the component.
        aside = {*getattr(type(value), "places", ()), *getattr(type(value), "without_effect", ())}
        names = [f.name for f in dataclasses.fields(value) if f.name not in aside]
        fields = {name: canonical(getattr(value, name)) for name in names}
        return {
            "_target_": f"{type(value).__module__}.{type(value).__qualname__}",
            **_code(type(value)),
            **fields,
        }
    if isinstance(value, Mapping):
        return {
            str(key): canonical(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))
        }
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def _code(cls: type) -> dict[str, str]:
    """What a class of the user's does, by its text: rows and numbers follow it. Ours has a version."""
    modules = {base.__module__ for base in cls.__mro__ if base.__module__.partition(".")[0] not in _OURS}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(modules)]
    texts = [Path(file).read_bytes() for file in files if file]
    return {"_code_": hashlib.sha256(b"\0".join(texts)).hexdigest()} if texts else {}


def digest(value: Any, length: int = 64) -> str:
    """sha256 of the canonical form, in hexadecimal, cut to `length` digits."""
    text = json.dumps(canonical(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
