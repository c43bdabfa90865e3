"""Whether the trials of a search can work, found out before the first one: by samples of its space."""

from __future__ import annotations

import itertools
from typing import Any

from pipeline.errors import BadInput, Problem
from pipeline.launch.ready import Ready
from pipeline.launch.sweeps.asked import Asked, Job
from pipeline.launch.sweeps.freezing import get_all_ready
from pipeline.launch.sweeps.space import Choices, Parameter, word
from pipeline.launch.sweeps.spec import Asha, Search


def check_space(asked: Asked) -> list[Ready]:
    """Check that every value, or both ends of an interval, gives a configuration that can work.

    One of each choice of options is prepared, and returned. Raises BadInput for everything that is wrong with any.
    """
    ready = get_all_ready(check_values(asked))
    for one in ready:
        _check_measured(asked, one)
    return ready


def check_values(asked: Asked) -> list[Job]:
    """The same as far as it can be told without preparing anything: a job of each choice of options."""
    jobs, problems = dict[tuple[Any, ...], Job](), dict[Problem, None]()
    for chosen in samples(asked):
        try:
            for job in asked.jobs(chosen)[:1]:
                jobs.setdefault(tuple(sorted((k, str(v)) for k, v in job.spec.choices.items())), job)
        except BadInput as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise BadInput(list(problems))
    return list(jobs.values())


def samples(asked: Asked) -> list[list[str]]:
    """Words of trials in which every combination of conditions, and every value, comes once at least."""
    deciding = {key.partition(".")[0].lstrip("+") for key in asked.conditional}
    groups = [p for p in asked.parameters if isinstance(p, Choices) and p.key.lstrip("+") in deciding]
    most = max(len(p.corners) for p in asked.parameters)
    found: dict[tuple[str, ...], None] = {}
    there: set[str] = set()
    for options in itertools.product(*(p.values for p in groups)):
        fixed = dict(zip((p.key for p in groups), options, strict=True))
        for number in range(most):

            def pick(p: Parameter, number: int = number, fixed: dict[str, str] = fixed) -> str:
                return word(p, fixed.get(p.key, p.corners[number % len(p.corners)]))

            chosen = asked.choose(pick)
            there |= {text.partition("=")[0] for text in chosen}
            found[tuple(chosen)] = None
    lost = [p for p in asked.parameters if p.key not in there]
    if lost:  # Nothing knows these keys: composed with them, it is said what they may have meant.
        found = {(*words, *(word(p, p.corners[0]) for p in lost)): None for words in list(found)[:1]}
    return [list(words) for words in found]


def _check_measured(asked: Asked, ready: Ready) -> None:
    """Raises BadInput where a search would have nothing to go by."""
    if ready.schedule.monitor is None and isinstance(asked.sweep, Search):
        what = "there are no validation data, so no trial has a value"
        raise BadInput(
            Problem("sweep", what, "data.split.validation above 0, data.validation=FILE, or sweep=random")
        )
    if isinstance(asked.sweep, Asha) and not ready.spec.train:
        raise BadInput(
            Problem("sweep", "train=false: nothing is trained that could be pruned", "sweep=optuna")
        )
