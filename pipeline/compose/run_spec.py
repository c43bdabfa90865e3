"""A composed configuration as typed parts: what every later step of a run works with."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.compose import locations, matrix
from pipeline.compose.best import best_problems
from pipeline.compose.composing import Composed
from pipeline.compose.inner import make_inner
from pipeline.compose.leaf import CallbackLeaf, Leaf, LoggerLeaf, OptimizerLeaf, SchedulerLeaf
from pipeline.compose.origins import shortened, with_origins, without_mapping
from pipeline.compose.resolving import public, resolve
from pipeline.compose.target import Kind
from pipeline.compose.target import resolve as resolve_target
from pipeline.compose.validation import unknown, validate
from pipeline.compose.words import fields_of
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.launch.hardware import Hardware
from pipeline.launch.sweeps.spec import Grid, Sweep
from pipeline.models.checkpoint import Checkpoint
from pipeline.runs.paths import Paths
from pipeline.sources.base import Source
from pipeline.strategies.base import Strategy
from pipeline.strategies.untouched import Untouched
from pipeline.tasks.base import Task
from pipeline.training.specs import CallbackSpec, LoggerSpec, OptimizerSpec, SchedulerSpec
from pipeline.training.trainer_spec import TrainerSpec

# What `export` can make of a run.
ExportFormat = Literal["huggingface", "adapter", "merged", "onnx"]


@component
class Root:
    """The keys of a configuration that belong to the run as a whole."""

    name: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")] | None = None
    tags: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    seeds: Annotated[int, Field(ge=1)] | None = None
    train: bool = True
    stages: tuple[str, ...] = ()
    resume: str | None = None
    run: str | None = None
    input: str | None = None
    output: str | None = None
    format: ExportFormat | None = None


@dataclass(frozen=True)
class RunSpec:
    """One run, checked. Third-party leaves are not imported yet: call their ``check`` before spending.

    choices: group -> chosen option.
    config: resolved values.
    public: the same with values from environment variables hidden: what may be logged and published.
    """

    task: Task
    model: Checkpoint
    data: Source
    strategy: Strategy
    optimizer: OptimizerSpec | OptimizerLeaf
    scheduler: SchedulerSpec | SchedulerLeaf
    hardware: Hardware
    trainer: TrainerSpec
    paths: Paths
    sweep: Sweep
    callbacks: dict[str, CallbackSpec | CallbackLeaf]
    logger: dict[str, LoggerSpec | LoggerLeaf]
    name: str
    tags: tuple[str, ...]
    seed: int
    seeds: int | None
    train: bool
    stages: tuple[str, ...]
    resume: str | None
    run: str | None
    input: str | None
    output: str | None
    format: ExportFormat | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    public: dict[str, Any] = field(default_factory=dict)

    def leaves(self) -> Iterator[Leaf]:
        """The parts that other libraries make."""
        parts = [self.optimizer, self.scheduler, *self.callbacks.values(), *self.logger.values()]
        return (part for part in parts if isinstance(part, Leaf))

    def components(self) -> Iterator[Any]:
        """The parts that are components of ours or of the user's."""
        for part in vars(self).values():
            entries = part.values() if isinstance(part, dict) else [part]
            yield from (entry for entry in entries if is_dataclass(entry) and not isinstance(entry, Leaf))


# Group -> what it names. In `callbacks` and `logger` every entry is one.
SINGLE = {
    "task": Kind(Task),
    "model": Kind(Checkpoint),
    "data": Kind(Source),
    "strategy": Kind(Strategy),
    "optimizer": Kind(OptimizerSpec, OptimizerLeaf),
    "scheduler": Kind(SchedulerSpec, SchedulerLeaf),
    "hardware": Kind(Hardware),
    "trainer": Kind(TrainerSpec),
    "paths": Kind(Paths),
    "sweep": Kind(Sweep),
}
SEVERAL = {"callbacks": Kind(CallbackSpec, CallbackLeaf), "logger": Kind(LoggerSpec, LoggerLeaf)}
# Groups that only change what others set.
OVERLAYS = ("experiment", "stage", "debug")
GROUPS = (*SINGLE, *SEVERAL, *OVERLAYS)


def load(composed: Composed, *, frozen: bool = False) -> RunSpec:
    """The typed run. Raises one BadInput with everything that is wrong in the whole configuration.

    A component may define ``check()``, which raises BadInput where it cannot work on this machine (left out
    for a ``frozen`` configuration, which is read for other ends too), and ``conflicts(spec)``, which lists
    problems it has with other groups. Both are asked once all is valid by itself; neither may take long.
    """
    values, problems = resolve(composed.config)
    problems = [*composed.problems, *problems]
    # What a faulty group choice would have brought is unknown, so nothing else is said of that group.
    places = {re.split("[@/]", problem.where, maxsplit=1)[0] for problem in composed.problems}
    broken = places & (SINGLE.keys() | SEVERAL.keys())
    parts: dict[str, Any] = {}
    found: list[Problem] = []
    for group, kind in SINGLE.items():
        parts[group] = _part(values.get(group), kind, group, found) if group != "sweep" else None
    parts["sweep"] = sweep_of(values, found)
    for group, kind in SEVERAL.items():
        parts[group] = _parts(values.get(group), kind, group, found)
    root = _root(values, found)
    said = {problem.where for problem in problems}
    problems += [p for p in found if p.where.split(".")[0] not in broken and p.where not in said]
    if problems or root is None:
        raise BadInput(with_origins(_of_files(problems, composed), composed.files, composed.overrides))
    keys = {name: getattr(root, name) for name in fields_of(Root)}
    choices = composed.choices
    if not root.train:
        parts["strategy"], choices = Untouched(), {**choices, "strategy": "untouched"}
    keys["name"] = root.name or _name(choices)
    if reserved := parts["strategy"].virtual_tokens:
        parts["model"] = replace(parts["model"], reserved=reserved)
    spec = RunSpec(**parts, **keys, choices=choices, config=values, public=public(composed.config))
    if together := [*_problems_together(spec, frozen), *best_problems(spec.sweep.best, composed.overrides)]:
        raise BadInput(together)
    return spec


def sweep_of(values: Mapping[str, Any], problems: list[Problem]) -> Sweep | None:
    """How to sweep; as a grid where nothing is said, as in runs that were frozen before there was such a group."""
    entry = values.get("sweep")
    return Grid() if entry is None else _part(entry, SINGLE["sweep"], "sweep", problems)


def _of_files(problems: Sequence[Problem], composed: Composed) -> list[Problem]:
    """``problems``; what is missing in a group whose file sets nothing is said of that file instead."""
    faulty = {group: fault for group, file in composed.files.items() if (fault := without_mapping(file))}
    known = {
        locations.package(group): Problem(
            f"{group}={composed.choices[group]}", f"{shortened(composed.files[group])} {fault}"
        )
        for group, fault in faulty.items()
    }
    said = {known.get(p.where, p): None for p in problems}
    return list(said)


def _problems_together(spec: RunSpec, frozen: bool) -> Iterator[Problem]:
    if not frozen:
        yield from matrix.problems(spec)
    for part in spec.components():
        if hasattr(part, "conflicts"):
            yield from part.conflicts(spec)
        if hasattr(part, "check") and not frozen:
            try:
                part.check()
            except BadInput as error:
                yield from error.problems


def _part(entry: Any, kind: Kind, key: str, problems: list[Problem]) -> Any:
    """The component or leaf that one configuration node describes; None and problems where it is faulty."""
    group, _, name = key.partition(".")
    if not isinstance(entry, Mapping):
        given = "must be set" if entry is None else f"{entry!r} is not an option"
        problems.append(
            Problem(
                key,
                given,
                f"an option of the group: {group}=…" if not name else "a mapping with _target_, or null",
            )
        )
        return None
    if "_target_" not in entry:
        keys = listing(entry) or "nothing"
        problems.append(
            Problem(key, f"no option is chosen, so it has no _target_ (only: {keys})", f"{group}=…")
        )
        return None
    try:
        found = resolve_target(entry, kind, key)
    except BadInput as error:
        problems.extend(error.problems)
        return None
    if isinstance(found, Leaf):
        return found
    values = {name: value for name, value in entry.items() if name != "_target_"}

    def make(inner: Any, base: type, place: str) -> Any:
        return _part(inner, Kind(base), place, problems)

    made = make_inner(found, values, key, group, make, problems)
    part, wrong = validate(found, values, key, made)
    problems.extend(wrong)
    return part


def _parts(entries: Any, kind: Kind, key: str, problems: list[Problem]) -> dict[str, Any]:
    """The entries of a group that holds several; one set to null is off."""
    if entries is None:
        return {}
    if not isinstance(entries, Mapping):
        problems.append(Problem(key, f"{entries!r} is not an option", f"an option of the group: {key}=…"))
        return {}
    known = [
        name
        for name, entry in entries.items()
        if entry is None or (isinstance(entry, Mapping) and "_target_" in entry)
    ]
    parts = {}
    for name, entry in entries.items():
        if isinstance(entry, Mapping) and "_target_" not in entry:
            what = "no such entry is switched on; a new one needs a _target_"
            problems.append(Problem(f"{key}.{name}", what, listing(known), nearest(name, known)))
        elif entry is not None:
            parts[name] = _part(entry, kind, f"{key}.{name}", problems)
    return parts


def _root(values: Mapping[str, Any], problems: list[Problem]) -> Root | None:
    names = [*GROUPS, *fields_of(Root)]
    rest = {key: value for key, value in values.items() if key not in SINGLE and key not in SEVERAL}
    for key in [key for key in rest if key not in fields_of(Root)]:
        rest.pop(key)
        if key in OVERLAYS:
            what = "has no keys of its own: choose an option, whose file starts with '# @package _global_'"
            problems.append(Problem(key, what, f"{key}=OPTION"))
        else:
            problems.append(unknown("", key, names))
    root, wrong = validate(Root, rest, "")
    problems.extend(wrong)
    return root


def _name(choices: Mapping[str, Any]) -> str:
    return "-".join(str(choices.get(group) or group) for group in ("model", "strategy"))
