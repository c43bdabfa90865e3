"""Plain values to components, with pydantic's findings told in the user's terms."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.compose.words import annotation_at, choices, keys_of, kind, words
from pipeline.errors import BadInput, Problem, listing, nearest

T = TypeVar("T")
# pydantic's names for a value of the right kind outside its limits.
LIMITS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "string_pattern_mismatch",
    "finite_number",
}


def validate(
    cls: type[T], values: Mapping[str, Any], key: str, made: Mapping[str, Any] | None = None
) -> tuple[T | None, list[Problem]]:
    """A component of class ``cls``, or everything that is wrong with ``values``, each with its full key.

    Strict: true is not a number and "5" is not one either. A whole number is taken where text is expected
    (``name=2024``), because that is how the command line reads it.

    made: components inside (see ``CHOSEN``), by the texts that stand for them in ``values``.
    """
    adapter = TypeAdapter(cls)
    plain: Any = dict(values)
    for _ in range(2):
        try:
            return adapter.validate_json(json.dumps(plain), strict=True, context=dict(made or {})), []
        except ValidationError as error:
            failed = error
        except BadInput as error:
            return None, [_within(problem, key) for problem in error.problems]
        plain = _numbers_as_text(plain, failed)
    found: dict[str, Problem] = {}
    for detail in failed.errors(include_url=False):
        problem = _problem(cls, plain, key, dict(detail))
        found.setdefault(problem.where, problem)
    # Of a value that has alternatives the one is told that fits but for something inside, not that no other fits.
    inside = {where for where in found if any(other.startswith(f"{where}.") for other in found)}
    return None, [problem for where, problem in found.items() if where not in inside]


def unknown(key: str, name: str, names: list[str]) -> Problem:
    """The complaint about a key that nothing reads; by itself it may be meant for one of a group."""
    if key:
        return Problem(f"{key}.{name}", "unknown key", listing(names), nearest(name, names))
    from pipeline.compose.help import nearest_key

    return Problem(name, "unknown key", listing(names), nearest(name, names) or nearest_key(name))


def _problem(cls: type, values: Any, key: str, detail: dict[str, Any]) -> Problem:
    path = _config_path(values, detail["loc"], detail["type"])
    where = ".".join(part for part in [key, *map(str, path)] if part)
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        owner, _ = annotation_at(cls, path[:-1])
        parent = ".".join(part for part in [key, *map(str, path[:-1])] if part)
        return unknown(parent, str(path[-1]), keys_of(owner))
    annotation, metadata = annotation_at(cls, path)
    allowed = words(annotation, metadata)
    if detail["type"].startswith("missing"):
        return Problem(where, "must be set", allowed)
    if detail["type"] in ("value_error", "assertion_error"):
        return Problem(where or "configuration", str(detail["ctx"]["error"]))
    value = _at(values, path)
    if detail["type"] in LIMITS:
        return Problem(
            where,
            f"{_shown(value)} is out of range"
            if not isinstance(value, str)
            else f"{_shown(value)} does not fit",
            allowed,
        )
    one_kind = kind(annotation)
    if isinstance(value, float) and one_kind == "text":
        allowed = f"text; a number as text is quoted twice: '{where}=\"{value}\"'"
    what = f"{_shown(value)} is not {one_kind}" if one_kind else f"{_shown(value)} is not allowed"
    return Problem(
        where, what, "" if allowed == one_kind else allowed, nearest(str(value), choices(annotation))
    )


def _config_path(values: Any, loc: tuple[Any, ...], error_type: str) -> list[Any]:
    """The part of pydantic's location that is a configuration key (the rest names arms of a union)."""
    path: list[Any] = []
    node = values
    for part in loc:
        name = str(part) if isinstance(node, Mapping) else part
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        elif isinstance(node, Mapping) and error_type.startswith("missing") and part == loc[-1]:
            return [*path, part]
        else:
            continue
        path.append(name)
    return path


def _at(values: Any, path: list[Any]) -> Any:
    for part in path:
        values = values[part]
    return values


def _numbers_as_text(values: Any, error: ValidationError) -> Any:
    """``values`` with whole numbers made text where text, or a word that looks like one, is expected."""
    repaired = json.loads(json.dumps(values))
    for detail in error.errors(include_url=False):
        if detail["type"] not in ("string_type", "literal_error"):
            continue
        path = _config_path(values, detail["loc"], detail["type"])
        value = _at(values, path)
        wanted = detail["type"] == "string_type" or f"'{value}'" in str(
            detail.get("ctx", {}).get("expected", "")
        )
        if wanted and isinstance(value, int) and not isinstance(value, bool):
            _at(repaired, path[:-1])[path[-1]] = str(value)
    return repaired


def _within(problem: Problem, key: str) -> Problem:
    inside = not key or problem.where == key or problem.where.startswith(f"{key}.")
    return (
        problem
        if inside
        else Problem(f"{key}.{problem.where}", problem.what, problem.allowed, problem.nearest)
    )


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
