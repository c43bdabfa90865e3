"""What commands work with that use a run: a finished one, and where asked other data or hardware."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.compose.composing import Composed, compose_onto
from pipeline.compose.frozen import lasting, load_frozen
from pipeline.compose.run_spec import GROUPS, Root, load
from pipeline.compose.words import fields_of
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.runs.directory import FAILED, FINISHED, INTERRUPTED, RunDirectory, open_run

if TYPE_CHECKING:
    from pipeline.compose.run_spec import ExportFormat, RunSpec
    from pipeline.launch.hardware import Hardware
    from pipeline.sources.base import Source

# What may differ from the frozen run, by command: everything else belongs to how the model was trained.
CHANGEABLE = {
    "evaluate": ("output", "data", "hardware"),
    "predict": ("input", "output", "data", "hardware"),
    "export": ("format", "output"),
    "report": ("sweep", "output"),
}


@dataclass(frozen=True)
class Used:
    """A finished run. ``spec`` is how it was trained; the rest is what this call asks for.

    columns: role -> column, those that this call says.
    """

    run: RunDirectory
    spec: RunSpec
    data: Source
    hardware: Hardware
    columns: dict[str, str] = field(default_factory=dict)
    input: str | None = None
    output: str | None = None
    format: ExportFormat | None = None


def open_finished(
    folder: str | None,
    overrides: Sequence[str] = (),
    config_dir: str | None = None,
    command: str = "evaluate",
) -> Used:
    """The finished run in ``folder``, with the data and hardware that ``overrides`` ask for.

    Raises BadInput for a run that is not there or has not finished, and for overrides of anything else.
    """
    problems = [problem for text in overrides if (problem := not_asked_here(text, command))]
    if not folder:
        example = f"python -m pipeline.{command} run=outputs/…"
        raise BadInput([Problem("run", "which run?", f"a run directory: {example}"), *problems])
    try:
        run = open_run(folder)
    except BadInput as error:
        raise BadInput([*error.problems, *problems]) from error
    if run.state != FINISHED:
        raise BadInput([_unfinished(run), *problems])
    frozen, spec = load_frozen(run)
    given = lasting(overrides)
    if problems:
        raise BadInput([*problems, *_other_problems(frozen, given, config_dir, command)])
    if not given:
        return Used(run, spec, spec.data, spec.hardware)
    now = load(compose_onto(frozen, given, config_dir), frozen=True)
    said = _said_columns(given, now.data)
    return Used(run, spec, now.data, now.hardware, said, now.input, now.output, now.format)


def _said_columns(overrides: Sequence[str], data: Source) -> dict[str, str]:
    """role -> column of ``data`` that the overrides of a call name, all of them where they choose other data."""
    said: set[str] = set()
    for override in map(OverridesParser.create().parse_override, overrides):
        if override.key_or_group == "data":
            return dict(data.columns)
        key, value = override.key_or_group, override.value()
        if key == "data.columns" and isinstance(value, dict):
            said.update(map(str, value))
        elif key.startswith("data.columns."):
            said.add(key.removeprefix("data.columns."))
    return {role: column for role, column in data.columns.items() if role in said}


def _root(override: str) -> str:
    return re.split(r"[.@/]", override.lstrip("+~").partition("=")[0], maxsplit=1)[0]


def not_asked_here(override: str, command: str) -> Problem | None:
    """What is wrong with a word that ``command`` does not take; None where it takes it."""
    root, words = _root(override), CHANGEABLE[command]
    if root in ("run", *words) or ("=" not in override and not override.startswith("~")):
        return None
    if root == "input" and command == "evaluate":
        return Problem(override, f"{command} scores data with labels", "data=files data.test=FILE")
    if root in GROUPS or root in fields_of(Root):
        return Problem(
            override, "belongs to how the run was trained, which is over", f"keys of {listing(words)}"
        )
    valid = ("run", *words)
    return Problem(override, "unknown key", listing(valid), nearest(root, valid))


def _other_problems(
    frozen: Composed, given: Sequence[str], config_dir: str | None, command: str
) -> list[Problem]:
    """What is wrong with the words that ``command`` does take."""
    try:
        load(
            compose_onto(frozen, [t for t in given if not not_asked_here(t, command)], config_dir),
            frozen=True,
        )
    except BadInput as error:
        return error.problems
    return []


def _unfinished(run: RunDirectory) -> Problem:
    if run.state in (FAILED, INTERRUPTED):
        what = f"{run.folder} is {run.state}: it has no finished model"
    elif run.is_worked_on():
        what = f"{run.folder} is being trained now: it has no finished model yet"
        return Problem("run", what, "a finished run; this one once its process has ended")
    else:
        what = f"{run.folder} has not finished, and no process works on it: it has no finished model"
    hint = f"a finished run; python -m pipeline.train resume={run.folder} brings this one to its end"
    return Problem("run", what, hint)
