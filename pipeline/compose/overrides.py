"""What the user typed after the command: parsed, checked and made safe for Hydra to compose."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hydra import version
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from pipeline.compose import locations
from pipeline.errors import BadInput, Problem, listing, nearest

FORM = "group=option, key=value, or ~key to remove one"
QUOTING = "values with ( ) [ ] { } , : = ' \" or \\ in quotes inside quotes: 'key=\"a, b\"'"


@dataclass(frozen=True)
class Parsed:
    """Overrides that Hydra can compose, and what is wrong with the others."""

    overrides: list[Override]
    problems: list[Problem]


def parse(texts: Sequence[str], loader: ConfigLoader) -> Parsed:
    """Parse every override with Hydra's grammar, and check group options against what there is."""
    version.setbase("1.3")
    parser = OverridesParser.create()
    good: list[Override] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            if "=" not in text and not text.startswith("~"):
                raise BadInput(_no_equals_sign(text))
            override = parser.parse_override(text)
            if not override.key_or_group:
                raise BadInput(Problem(text, "there is nothing before the '='", FORM))
        except HydraException as error:
            problems.append(_grammar_problem(text, error))
        except BadInput as error:
            problems.extend(error.problems)
        else:
            override.config_loader = loader
            found = [] if override.is_delete() else _option_problems(override)
            problems.extend(found)
            if not found:
                good.append(override)
    return Parsed(good, problems)


def for_hydra(overrides: Iterable[Override], listed: Collection[str] = ()) -> list[str]:
    """The overrides in the form that never fails on an unknown key: the typed specs report those, together.

    A group option is set plainly where the primary configuration lists the group, or a file that it leads to does
    (``listed``: those places), else added; of several settings of one group the last counts. null removes a group.
    Values are set with ``++``; Hydra's own are left as typed.
    """
    listed = {*listed, *locations.default_options()}
    rewritten: dict[str, str] = {}
    for position, override in enumerate(overrides):
        key = override.key_or_group
        text = override.input_line or ""
        value = text.partition("=")[2]
        place = place_of(override)
        if is_group(override):
            rewritten.pop(place, None)
            if override.is_delete() or override.value() is None:
                # Hydra removes a group with one option by ~, and empties one with several.
                several = locations.default_options().get(place, "").startswith("[")
                rewritten[place] = f"{place}=[]" if several else f"~{place}"
                if place not in listed and not override.is_delete():
                    rewritten[place] = f"++{locations.package(place)}=null"
            else:
                add = "" if place in listed or key.startswith("hydra/") else "+"
                rewritten[place] = f"{add}{place}={value}"
        elif override.is_delete() or override.is_hydra_override():
            rewritten[f"{place} {position}"] = text
        else:
            rewritten[f"{place} {position}"] = f"++{place}={value}"
    return list(rewritten.values())


def sweep_problems(overrides: Iterable[Override]) -> list[Problem]:
    """A complaint about each override with several values; for calls without ``-m``."""
    problems = []
    for override in overrides:
        if override.is_sweep_override():
            value = (override.input_line or "").partition("=")[2]
            hint = "-m to run each"
            if override.value_type is ValueType.SIMPLE_CHOICE_SWEEP:
                key = override.key_or_group
                hint += f"; '{key}=[{value}]' for a list; '{key}=\"{value}\"' for text with a comma"
            problems.append(Problem(override.key_or_group, f"several values: {value}", hint))
    return problems


def expand(overrides: Sequence[Override]) -> list[list[str]]:
    """The override lists of a sweep's jobs: the grid of all choices, ranges and globs, as Hydra's sweeper.

    Raises BadInput for a sweep that cannot be enumerated or is empty.
    """
    problems: list[Problem] = []
    for override in overrides:
        text = override.input_line or ""
        if override.is_sweep_override() and not override.is_discrete_sweep():
            problems.append(
                Problem(
                    override.key_or_group, f"'{text}' has no end of values", "choice(…), range(…), glob(…)"
                )
            )
        elif override.is_sweep_override() and not list(override.sweep_string_iterator()):
            problems.append(Problem(override.key_or_group, f"'{text}' stands for no value at all"))
    if problems:
        raise BadInput(problems)
    return list(BasicSweeper.split_arguments(list(overrides), None)[0])


def is_group(override: Override) -> bool:
    """Whether the override chooses an option of a group (rather than setting a value)."""
    key = override.key_or_group
    if isinstance(override.value(), dict):
        return False
    return bool(_available(override)) if key.startswith("hydra/") else locations.is_group(key)


def place_of(override: Override) -> str:
    """The group that an override names, with the place where its option is to stand if that is another one."""
    key = override.key_or_group
    return f"{key}@{override.package}" if override.package else key


def quoted(value: str) -> str:
    """``value`` as text in Hydra's grammar, whatever characters it has."""
    return QuotedString(text=value, quote=Quote.single).with_quotes()


def _available(override: Override) -> list[str]:
    """Options of the group that an override names; empty where it names none."""
    key = override.key_or_group
    if key.startswith("hydra/") and override.config_loader is not None:
        return list(override.config_loader.get_group_options(key))
    return list(locations.options(key)) if locations.is_group(key) else []


def _option_problems(override: Override) -> list[Problem]:
    if not (available := _available(override)) and not locations.is_group(override.key_or_group):
        return []
    group = place_of(override)
    value = override.value()
    if isinstance(value, dict):
        return [Problem(group, "a group is set to one of its options, not to a mapping", listing(available))]
    if override.is_sweep_override():
        if not override.is_discrete_sweep():
            return []
        asked: list[object] = [*override.sweep_iterator()]
    else:
        asked = list(value) if isinstance(value, list) else [value]
    names = [option.text if isinstance(option, QuotedString) else option for option in asked]
    return [
        Problem(
            group,
            f"'{name}' is not an option of it",
            listing(available) or "(no options)",
            nearest(str(name), available),
        )
        for name in names
        if name is not None
        and str(name).removesuffix(".yaml") not in available
        and not isinstance(name, list)
    ]


def _no_equals_sign(text: str) -> Problem:
    for group in locations.groups():
        if text in locations.options(group):
            return Problem(text, "is not an override: it has no '='", FORM, f"{group}={text}")
    return Problem(text, "is not an override: it has no '='", FORM)


def _grammar_problem(text: str, error: HydraException) -> Problem:
    cause = error.__cause__
    column = getattr(cause, "startIndex", None)
    if column is None:
        column = getattr(getattr(cause, "offendingToken", None), "column", None)
    message = str(error).splitlines()[0]
    if column is not None:
        at = "at its end" if column >= len(text) else f"at character {column + 1}, '{text[column]}'"
        message = f"cannot be read {at}\n    {text}\n    {'^':>{column + 1}}"
    else:
        message = f"cannot be read: {re.sub(r' expecting {.*', '', message)}"
    return Problem(text, message, QUOTING)
