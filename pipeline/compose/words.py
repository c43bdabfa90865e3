"""What a field of a component accepts, in plain words."""

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """``Annotated[int, Field(ge=1)] | None`` as "a whole number of at least 1 or null"."""
    limits = _limits(metadata)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(inner[0], [*inner[1:], *metadata])
    if origin is Literal:
        return listed([str(value) for value in inner])
    if origin in (Union, types.UnionType):
        return listed(dict.fromkeys(words(arm, metadata) for arm in inner))
    if origin is not None and issubclass(origin, Mapping):
        return "a mapping {name: value, …}"
    if origin is not None and issubclass(origin, Sequence | set | frozenset):
        return f"a list [{words(inner[0])}, …]" if inner else "a list"
    if fields := fields_of(annotation):
        return f"a mapping with {listed(fields, 'and')}"
    return KINDS.get(annotation, getattr(annotation, "__name__", str(annotation))) + limits


def kind(annotation: Any) -> str:
    """The kind of value without limits and null, where there is just one; else an empty string."""
    arms = [arm for arm in _arms(annotation) if arm is not type(None)]
    return KINDS.get(arms[0], "") if len(arms) == 1 and isinstance(arms[0], type) else ""


def choices(annotation: Any) -> list[str]:
    """The words that a field accepts literally."""
    return [str(value) for arm in _arms(annotation) if get_origin(arm) is Literal for value in get_args(arm)]


def listed(names: Iterable[str], last: str = "or") -> str:
    """a, b or c."""
    *most, end = list(names)
    return f"{', '.join(most)} {last} {end}" if most else end


def fields_of(cls: Any) -> dict[str, Any]:
    """Field name -> pydantic field of a component class; empty for anything else."""
    return getattr(cls, "__pydantic_fields__", None) or {}


def keys_of(annotation: Any) -> list[str]:
    """The fields of the component that an annotation allows, alone or among others."""
    return [name for arm in _arms(annotation) for name in fields_of(arm)]


def annotation_at(cls: Any, path: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Annotation and metadata of what stands at ``path`` in a component; (Any, []) where nothing does."""
    annotation: Any = cls
    metadata: list[Any] = []
    for step in path:
        annotation, metadata = _inside(annotation, step)
    return annotation, metadata


def _inside(annotation: Any, step: Any) -> tuple[Any, list[Any]]:
    for arm in _arms(annotation):
        if field := fields_of(arm).get(step):
            return field.annotation, list(field.metadata)
        origin, inner = get_origin(arm), get_args(arm)
        if isinstance(origin, type) and inner:  # that of a Literal is none, and has nothing inside
            return (inner[-1] if issubclass(origin, Mapping) else inner[0]), []
    return Any, []


def _arms(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, unwrapped."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _arms(inner[0])
    if origin in (Union, types.UnionType):
        return [deep for arm in inner for deep in _arms(arm)]
    return [annotation]


def _limits(metadata: Iterable[Any]) -> str:
    phrases = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    flat = [deep for item in metadata for deep in (getattr(item, "metadata", None) or [item])]
    found = [
        f"{text} {getattr(item, name)}"
        for item in flat
        for name, text in phrases.items()
        if hasattr(item, name)
    ]
    patterns = [f"matching {item.pattern}" for item in flat if getattr(item, "pattern", None)]
    text = " and ".join(found + patterns)
    return f" {text}" if text else ""
