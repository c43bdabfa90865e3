"""Components inside a component that a configuration chooses by name, such as the sources of a mixture."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pipeline.component import CHOSEN
from pipeline.compose.words import fields_of
from pipeline.errors import Problem, listing, nearest

# (configuration node, base class, full key) -> the component, None where it is faulty.
Make = Callable[[Mapping[str, Any], type, str], Any]


def inner_fields(cls: type) -> Iterator[tuple[str, type]]:
    """Fields that hold chosen components by name, and the base class of these."""
    for name, field in fields_of(cls).items():
        inside = get_args(field.annotation)[-1:] if get_origin(field.annotation) is dict else ()
        for item in inside:
            if get_origin(item) is Annotated and CHOSEN in get_args(item)[1:]:
                yield name, get_args(item)[0]


def make_inner(
    cls: type, values: dict[str, Any], key: str, group: str, make: Make, problems: list[Problem]
) -> dict[str, Any]:
    """The components inside ``values``, by the texts that take their places there.

    group: whose options they are. A faulty one is told of, and a plain one of its base stands in for it, so that
    what else is wrong is found too.
    """
    made: dict[str, Any] = {}
    for field, base in inner_fields(cls):
        entries = values.get(field)
        if not isinstance(entries, Mapping):
            continue
        values[field] = {name: f"{key}.{field}.{name}" for name in entries}
        known = [
            name for name, entry in entries.items() if isinstance(entry, Mapping) and "_target_" in entry
        ]
        for name, entry in entries.items():
            place = f"{key}.{field}.{name}"
            if name in known:
                made[place] = make(entry, base, place)
            else:
                problems.append(_not_chosen(entry, name, place, group, known))
            made[place] = made.get(place) or base()
    return made


def _not_chosen(entry: Any, name: str, place: str, group: str, known: list[str]) -> Problem:
    """The complaint about an entry for which no option is chosen; often a name is mistyped, or ``.`` for ``@``."""
    keys = listing(entry) if isinstance(entry, Mapping) else repr(entry)
    what = f"no option is chosen for it (only: {keys or 'nothing'})"
    others = f"; there are: {listing(known)}" if known else ""
    option = entry if isinstance(entry, str) else "OPTION"
    close = nearest(name, known) if isinstance(entry, Mapping) else ""
    return Problem(place, what, f"+{group}@{place}={option}{others}", close)
