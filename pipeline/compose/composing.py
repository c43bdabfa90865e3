"""Overrides to one configuration, through Hydra; every failure becomes a BadInput."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.utils import setup_globals
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from pipeline.compose import launcher_keys, locations
from pipeline.compose.origins import builds_on_itself, lines_with, shortened
from pipeline.compose.overrides import (
    Parsed,
    expand,
    for_hydra,
    is_group,
    parse,
    place_of,
    sweep_problems,
)
from pipeline.errors import BadInput, Problem, listing, nearest


@dataclass(frozen=True)
class Composed:
    """One composed configuration.

    config: interpolations kept, without Hydra's own node.
    overrides: as the user typed them.
    choices: group -> chosen option, options, or None.
    files: group -> file of the chosen option, where it is one; empty for a frozen configuration.
    problems: what was wrong with overrides that were left out; ``run_spec.load`` reports it with the rest.
    """

    config: DictConfig
    overrides: tuple[str, ...] = ()
    choices: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)


def compose(overrides: Sequence[str], config_dir: str | None = None) -> Composed:
    """Compose the configuration that ``overrides`` describe.

    Faulty overrides are left out and listed in the result, so that the mistakes of all are reported together.
    Raises BadInput where nothing can be composed at all (a broken yaml, a defaults list that leads nowhere).
    """
    with locations.using(config_dir):
        loader = config_loader()
        parsed = parse(overrides, loader)
        several = sweep_problems(parsed.overrides)
        problems = [*parsed.problems, *several]
        single = [override for override in parsed.overrides if not override.is_sweep_override()]
        chosen = [override for override in single if is_group(override) or override.is_hydra_override()]
        config = compose_hydra(loader, for_hydra(chosen, listed(loader, chosen)), RunMode.RUN, problems)
        problems += _set_values(config, [override for override in single if override not in chosen])
        choices = _choices(config)
        files = {group: file for group, option in choices.items() if (file := _file(group, option))}
    with open_dict(config):
        del config["hydra"]
    OmegaConf.set_struct(config, False)
    return Composed(config, tuple(overrides), choices, tuple(problems), files)


def compose_onto(before: Composed, overrides: Sequence[str], config_dir: str | None = None) -> Composed:
    """``before`` with ``overrides`` on top; a group whose option they choose is replaced whole.

    Everything else stays as it was composed, whatever the options in ``conf`` have become since. Options that
    spread over several groups (experiment, debug) can only be those that it was composed with.
    """
    with locations.using(config_dir):
        parsed = parse(overrides, config_loader())
    several = sweep_problems(parsed.overrides)
    single = [override for override in parsed.overrides if not override.is_sweep_override()]
    chosen = [override for override in single if is_group(override)]
    now = compose([override.input_line or "" for override in chosen], config_dir)
    config = before.config.copy()
    problems = [*parsed.problems, *several, *now.problems]
    choices = dict(before.choices)
    for group in sorted({place_of(override) for override in chosen}, key=locations.package):
        place = locations.package(group)
        if place.partition(".")[0] in config:
            OmegaConf.update(config, place, OmegaConf.select(now.config, place), merge=False, force_add=True)
            choices = {
                name: option for name, option in choices.items() if name not in _inside(place, choices)
            }
            choices |= {name: now.choices.get(name) for name in [group, *_inside(place, now.choices)]}
        elif now.choices.get(group) != before.choices.get(group):
            what = f"the run was composed with {group}={before.choices.get(group) or 'null'}"
            problems.append(Problem(group, what, "the single keys that it would set"))
    problems += _set_values(config, [override for override in single if override not in chosen])
    given = (*before.overrides, *overrides)
    return Composed(config, given, choices, tuple(problems))


def compose_all(overrides: Sequence[str], config_dir: str | None = None) -> list[Composed]:
    """Compose every job of a sweep. Raises BadInput as :func:`compose` does, and for a sweep without jobs."""
    with locations.using(config_dir):
        parsed = parse(overrides, config_loader())
        if parsed.problems:
            raise BadInput([*parsed.problems, *_other_problems(parsed, config_dir)])
        jobs = expand([override for override in parsed.overrides if not override.is_hydra_override()])
        return [_alone(compose(job, config_dir)) for job in jobs]


def _alone(job: Composed) -> Composed:
    """``job`` as one of several, none of which can be a chain of stages: they are frozen before any has trained."""
    if not job.config.get("stages"):
        return job
    what = "a chain of stages is no job of -m: its jobs are frozen before the first one has trained"
    loop = "for seed in 0 1 2; do python -m pipeline.train stages=… seed=$seed; done"
    problem = Problem("stages", what, f"one call for each chain: {loop}")
    return replace(job, problems=(*job.problems, problem))


def config_loader() -> ConfigLoaderImpl:
    """Hydra's loader over our search path, free of Hydra's global state."""
    # hydra-submitit-launcher registers a launcher by the name of ours: ours counts, and its keys fit the other's types.
    warnings.filterwarnings("ignore", "(?s).*is validated against ConfigStore schema with the same name")
    setup_globals()
    return ConfigLoaderImpl(create_config_search_path(str(locations.shipped())))


def listed(loader: ConfigLoaderImpl, overrides: Sequence[Override]) -> set[str]:
    """The places of groups inside others (``data/template``, ``data@data.sources.mine``) that ``overrides`` choose
    options for and that the files of the other options name already: Hydra tells choosing there from adding."""
    known = locations.default_options()
    chosen = [o for o in overrides if is_group(o) and not o.is_sweep_override() and not o.is_delete()]
    inner = [o for o in chosen if place_of(o) not in known and not o.key_or_group.startswith("hydra/")]
    given = [override for override in chosen if override not in inner]
    found: set[str] = set()
    for override in inner:
        texts = for_hydra([o for o in given if place_of(o) != place_of(override)], found)
        try:
            defaults = loader.compute_defaults_list(locations.PRIMARY, texts, RunMode.RUN).defaults
        except (HydraException, yaml.YAMLError, RecursionError):
            return found  # What is wrong with the files is said when they are composed.
        if place_of(override) in {default.override_key for default in defaults}:
            found.add(place_of(override))
        given.append(override)
    return found


def _inside(place: str, choices: Mapping[str, Any]) -> list[str]:
    """Choices of options that stand inside ``place``."""
    return [name for name in choices if locations.package(name).startswith(f"{place}.")]


def compose_hydra(
    loader: ConfigLoaderImpl, overrides: list[str], mode: RunMode, problems: Sequence[Problem] = ()
) -> DictConfig:
    """What Hydra composes of ``overrides``, its own node included. Raises BadInput, ``problems`` first."""
    try:
        return loader.load_configuration(locations.PRIMARY, overrides, mode)
    except yaml.MarkedYAMLError as error:
        raise BadInput([*problems, _yaml_problem(error)]) from error
    except MissingConfigException as error:
        raise BadInput([*problems, _missing_option(error, overrides)]) from error
    except RecursionError as error:
        raise BadInput([*problems, _endless_defaults()]) from error
    except Exception as error:
        # Hydra and OmegaConf raise whatever their internals meet in a malformed file; none is for a user.
        raise BadInput([*problems, _composition_problem(error)]) from error


def _other_problems(parsed: Parsed, config_dir: str | None) -> list[Problem]:
    """What else is wrong in any job, were the sweep composed of the overrides that could be read."""
    from pipeline.compose.run_spec import load

    broken = {problem.where for problem in parsed.problems}
    found: dict[Problem, None] = {}
    try:
        jobs = expand([override for override in parsed.overrides if not override.is_hydra_override()])
    except BadInput as error:
        return error.problems
    for job in jobs:
        try:
            load(compose(job, config_dir))
        except BadInput as error:
            found.update(dict.fromkeys(p for p in error.problems if p.where.split(".")[0] not in broken))
    return list(found)


def _choices(config: DictConfig) -> dict[str, Any]:
    """Group -> option. Hydra does not record a group with several: its entries stand for them."""
    recorded = OmegaConf.to_container(config.hydra.runtime.choices)
    assert isinstance(recorded, dict)
    several = {group: list(config.get(group) or []) for group in locations.default_options()}
    return {
        str(key): option
        for key, option in {**several, **recorded}.items()
        if not str(key).startswith("hydra/")
    }


def _file(group: str, option: Any) -> Path | None:
    return locations.options(group.partition("@")[0]).get(option) if isinstance(option, str) else None


def _set_values(config: DictConfig, overrides: Sequence[Override]) -> list[Problem]:
    """Set values as Hydra does, one after another, so that each failure is told of its own key."""
    problems = []
    for override in overrides:
        if override.is_delete():
            problems += _remove(config, override)
            continue
        forced = replace(override, type=OverrideType.FORCE_ADD)
        try:
            ConfigLoaderImpl._apply_overrides_to_config([forced], config)
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(_composition_problem(error))
        except (ValueError, TypeError, AssertionError):
            problems.append(
                Problem(
                    override.key_or_group,
                    f"'{override.input_line}' cannot be set: what holds it has no such key",
                )
            )
    return problems


def _remove(config: DictConfig, override: Override) -> list[Problem]:
    """Remove one key (``~key``, or ``~key=value`` if it has that value); also one that is null."""
    parent, _, name = override.key_or_group.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    where = override.input_line or ""
    if not isinstance(node, DictConfig) or name not in node:
        return [Problem(where, "there is no such key to remove")]
    if override.value() is not None and node[name] != override.value():
        return [Problem(where, f"is not removed: its value is {node[name]!r}")]
    with open_dict(node):
        del node[name]
    return []


def _yaml_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    name = str(mark.name) if mark else "configuration"
    where = f"{shortened(Path(name))}:{mark.line + 1}" if mark else name
    # A missing bracket is noticed at the end of the file; what matters then is where it was opened.
    opened = error.context_mark.line + 1 if error.context_mark else None
    context = f" ({error.context}, line {opened})" if error.context and opened else ""
    return Problem(where, f"not valid yaml: {error.problem or error.context}{context}")


def _missing_option(error: MissingConfigException, overrides: Sequence[str]) -> Problem:
    asked = error.missing_cfg_file or ""
    group, _, option = asked.rpartition("/")
    source = re.match(r"In '([^']+)'", str(error))
    available = list(locations.options(group)) if group else locations.groups()
    where = f"{source[1]}.yaml" if source else group or "defaults"
    if source and source[1] == locations.PRIMARY:
        # What another file overrides, Hydra blames on the primary configuration.
        overridden = rf"override\s+/?{group}\s*:.*\b{re.escape(option)}\b"
        where = next(lines_with(overridden, overrides), where)
    return Problem(
        where,
        f"its defaults ask for '{asked}', which does not exist",
        listing(available),
        nearest(option, available),
    )


def _endless_defaults() -> Problem:
    """The complaint about defaults lists that lead back to where they began."""
    if not (file := builds_on_itself()):
        return Problem("configuration", "the defaults lists of some options lead back to themselves")
    group, name = file.parent.name, file.stem
    return Problem(
        shortened(file),
        f"cannot build on itself: a file of this name takes the place of the shipped {group}={name}",
        f"another name, e.g. {shortened(file.parent)}/mine.yaml with defaults: [{name}], and {group}=mine",
    )


def _composition_problem(error: Exception) -> Problem:
    text = str(error).strip() or type(error).__name__
    cause = error.__cause__ or error.__context__
    if cause is not None and str(cause).strip() and str(cause) not in text:
        text = f"{text}: {cause}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type="))]
    if match := re.match(r"Error merging override \+*([^=]+)=?", lines[0]):
        return Problem(match[1], " ".join(lines[1:]) or "cannot be set")
    if match := re.match(r"Could not override '([^']+)'", lines[0]):
        known = launcher_keys.unknown(match[1])
        return known or Problem(match[1], "unknown key", "+ before a key adds one to Hydra's own")
    if match := re.match(r"In '([^']+)': (.*)", lines[0]):
        return Problem(f"{match[1]}.yaml", " ".join([match[2], *lines[1:]]))
    return Problem("configuration", " ".join(lines))
