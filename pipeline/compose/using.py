"""What `evaluate` and `predict` work with: a finished run, and where asked other data or hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.compose.composing import compose_onto
from pipeline.compose.frozen import lasting, load_frozen
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem, listing
from pipeline.runs.directory import FINISHED, RunDirectory, open_run

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.hardware import Hardware
    from pipeline.sources.base import Source

# What may differ from the frozen run: everything else belongs to how the model was trained.
CHANGEABLE = ("data", "hardware", "input", "output")


@dataclass(frozen=True)
class Used:
    """A finished run. ``spec`` is how it was trained; the rest is what this call asks for.

    columns: role -> column, None where the call says nothing of the data.
    """

    run: RunDirectory
    spec: RunSpec
    data: Source
    hardware: Hardware
    columns: dict[str, str] | None = None
    input: str | None = None
    output: str | None = None


def open_finished(
    folder: str | None,
    overrides: Sequence[str] = (),
    config_dir: str | None = None,
    command: str = "evaluate",
) -> Used:
    """The finished run in ``folder``, with the data and hardware that ``overrides`` ask for.

    Raises BadInput for a run that is not there or has not finished, and for overrides of anything else.
    """
    if not folder:
        example = f"python -m pipeline.{command} run=outputs/…"
        raise BadInput(Problem("run", "which run?", f"a run directory: {example}"))
    run = open_run(folder)
    if run.state != FINISHED:
        what = f"{run.folder} is {run.state}: it has no finished model"
        hint = f"a finished run; python -m pipeline.train resume={run.folder} brings this one to its end"
        raise BadInput(Problem("run", what, hint))
    frozen, spec = load_frozen(run)
    given = lasting(overrides)
    if problems := [_unchangeable(text) for text in given if _root(text) not in CHANGEABLE]:
        raise BadInput(problems)
    if not given:
        return Used(run, spec, spec.data, spec.hardware)
    now = load(compose_onto(frozen, given, config_dir), frozen=True)
    says_data = any(_root(text) == "data" for text in given)
    columns = now.data.columns if says_data else None
    return Used(run, spec, now.data, now.hardware, columns, now.input, now.output)


def _root(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition(".")[0]


def _unchangeable(override: str) -> Problem:
    what = "belongs to how the run was trained, which is over"
    return Problem(override, what, f"keys of {listing(CHANGEABLE)}")
