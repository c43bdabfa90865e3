"""From the words of ``-m`` to what is asked for: a space, what all jobs have, and a way to compose each."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from pipeline.compose import locations
from pipeline.compose.best import take_best
from pipeline.compose.composing import Composed, compose, compose_all, config_loader
from pipeline.compose.existing import has
from pipeline.compose.frozen import frozen_files
from pipeline.compose.overrides import expand, is_group, parse, place_of
from pipeline.compose.resolving import resolve
from pipeline.compose.run_spec import Root, load, sweep_of
from pipeline.compose.validation import validate
from pipeline.errors import BadInput, Problem
from pipeline.launch.sweeps.asked import Asked, Job
from pipeline.launch.sweeps.space import Choices, Interval, Parameter
from pipeline.launch.sweeps.spec import Grid, Sweep

DRAWN = "sweep=random, optuna or asha, which draw from it"
_WHOLE = re.compile(r"interval\(\s*(start=)?[+-]?\d+\s*,\s*(end=)?[+-]?\d+\s*\)")


def read(texts: Sequence[str]) -> Asked:
    """What the overrides of ``-m`` ask for, the winner of another sweep included. Raises BadInput for all that is
    wrong with the space."""
    taken = take_best(texts)
    texts = taken.words
    parsed = parse(texts, config_loader())
    if parsed.problems:
        if all(o.is_discrete_sweep() for o in parsed.overrides if o.is_sweep_override()):
            compose_all(texts)  # Raises them with what is wrong in the jobs.
        raise BadInput(parsed.problems)
    typed = [override for override in parsed.overrides if not override.is_hydra_override()]
    base = compose([override.input_line or "" for override in typed if not override.is_sweep_override()])
    values, _ = resolve(base.config)
    problems: list[Problem] = []
    sweep = sweep_of(values, problems)
    given = {key: value for key in ("seed", "seeds") if (value := values.get(key)) is not None}
    root, wrong = validate(Root, given, "")
    if problems or wrong or root is None or not isinstance(sweep, Sweep):
        raise BadInput([*problems, *wrong])
    overrides = _that_count([*_of_space(sweep, typed, problems), *typed])
    varying = [override for override in overrides if override.is_sweep_override()]
    if not problems:
        _check(varying, sweep, root.seeds, problems)
    if problems:
        raise BadInput(problems)
    words = [word for override in overrides for word in _word(override, sweep)]
    name = values.get("name")
    return Asked(
        sweep=sweep,
        seeds=root.seeds,
        seed=root.seed,
        name=str(name) if name else None,
        words=(*words, *(["seeds=null"] if _seeds_of_files(typed, root.seeds) else [])),
        job=taken.telling(job),
        present=Present(),
        conditional=_conditional(varying),
    )


def job(words: Sequence[str]) -> Job:
    """The job of these words, checked. Raises BadInput."""
    composed = _alone(words)
    spec = load(composed)
    if spec.hardware.nodes > 1:
        what = "one command starts each run of a sweep, and machines that meet are started one by one"
        allowed = "1; runs over several: hydra/launcher=submitit_slurm hydra.launcher.nodes=N"
        raise BadInput(Problem("hardware.nodes", what, allowed))
    return Job(spec, frozen_files(composed), composed.overrides)


class Present:
    """Which keys a configuration has. That follows from the options alone, so each choice of them is composed once."""

    def __init__(self) -> None:
        self.composed: dict[tuple[str, ...], Composed] = {}

    def __call__(self, words: Sequence[str], keys: Collection[str]) -> set[str]:
        options = tuple(word for word in words if locations.is_group(_group(word)))
        if options not in self.composed:
            self.composed[options] = compose(options)
        return {key for key in keys if has(self.composed[options], key)}


def _group(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition("@")[0]


def _alone(words: Sequence[str]) -> Composed:
    (composed,) = compose_all(words)
    return composed


def _of_space(sweep: Sweep, typed: Sequence[Override], problems: list[Problem]) -> list[Override]:
    """The overrides of ``sweep.space``, without those that the command line says otherwise."""
    known = {place_of(override) for override in typed}
    found = []
    for key, value in sweep.space.items():
        parsed = parse([f"{key}={value}"], config_loader())
        problems += [
            Problem(f"sweep.space.{key}", problem.what, problem.allowed, problem.nearest)
            for problem in parsed.problems
        ]
        found += [override for override in parsed.overrides if place_of(override) not in known]
    return found


def _that_count(overrides: Sequence[Override]) -> list[Override]:
    """Without values to vary that a later word for the same key replaces."""
    last = {place_of(override): override for override in overrides}
    return [o for o in overrides if not o.is_sweep_override() or last[place_of(o)] is o]


def _check(varying: Sequence[Override], sweep: Sweep, seeds: int | None, problems: list[Problem]) -> None:
    for override in varying:
        problems += _problems(override, sweep)
        if seeds is not None and override.key_or_group == "seed":
            problems.append(Problem("seeds", "seed varies already", "seeds, or several values of seed"))
    if not varying and not isinstance(sweep, Grid):
        what = "nothing varies, so there is nothing to draw"
        allowed = "a key with several values, as in 'optimizer.lr=tag(log,interval(1e-5,1e-3))'"
        problems.append(Problem("sweep.space", what, allowed))


def _problems(override: Override, sweep: Sweep) -> list[Problem]:
    where, text, value = override.key_or_group, override.input_line or "", override.value()
    if not isinstance(value, IntervalSweep):
        if not list(override.sweep_string_iterator()):
            return [Problem(where, f"'{text}' stands for no value at all")]
        return []
    if isinstance(sweep, Grid):
        return [Problem(where, f"'{text}' has no end of values", f"choice(…), range(…), glob(…); {DRAWN}")]
    low, high = float(value.start or 0), float(value.end or 0)
    if not low < high:
        return [Problem(where, f"'{text}' is empty: {low:g} is not below {high:g}", "interval(LOW,HIGH)")]
    if "log" in value.tags and low <= 0:
        return [Problem(where, f"'{text}' has no logarithm at {low:g}", "a lower bound above 0")]
    return []


def _word(override: Override, sweep: Sweep) -> list[str | Parameter]:
    """The override as it stands in a job, or the parameter in its place; nothing for ``seeds``."""
    if override.key_or_group == "seeds":
        return []
    if not override.is_sweep_override():
        return [*expand([override])[0]]
    key, text = override.get_key_element(), (override.input_line or "").partition("=")[2]
    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        whole = _WHOLE.search(text) is not None and "float(" not in text
        low, high = (int(b) if whole else b for b in (value.start, value.end))
        return [Interval(key, text, low, high, log="log" in value.tags)]
    if isinstance(value, RangeSweep) and not isinstance(sweep, Grid):
        return [_stepped(key, text, value)]
    return [Choices(key, text, tuple(override.sweep_string_iterator()))]


def _stepped(key: str, text: str, value: RangeSweep) -> Parameter:
    """A range as numbers that have an order, which a search can learn from."""
    numbers: list[Any] = sorted(value.range())
    if len(numbers) == 1:
        return Choices(key, text, (str(numbers[0]),))
    step = abs(value.step)
    return Interval(key, text, numbers[0], numbers[-1], step=step)


def _conditional(varying: Sequence[Override]) -> frozenset[str]:
    """Keys inside groups whose options vary too; where whole experiments vary, all keys."""
    groups = [locations.package(place_of(override)) for override in varying if is_group(override)]
    overlays = {"experiment", "stage", "debug"} & set(groups)
    return frozenset(
        override.get_key_element()
        for override in varying
        if not is_group(override)
        and (overlays or any(override.key_or_group.startswith(f"{group}.") for group in groups))
    )


def _seeds_of_files(typed: Sequence[Override], seeds: int | None) -> bool:
    """Whether a file asks for several seeds, which no single job may do."""
    return seeds is not None and not any(override.key_or_group == "seeds" for override in typed)
