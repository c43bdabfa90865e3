"""What `evaluate` and `predict` work with: a finished run, and where asked other data or hardware."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.compose.composing import compose
from pipeline.compose.frozen import lasting, load_frozen
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem, listing
from pipeline.runs.directory import RunDirectory, open_run

if TYPE_CHECKING:
    from pipeline.compose.command_line import Call
    from pipeline.compose.run_spec import RunSpec

# What may differ from the frozen run: everything else belongs to how the model was trained.
CHANGEABLE = ("data", "hardware", "input", "output")


@dataclass(frozen=True)
class Used:
    run: RunDirectory
    spec: RunSpec


def open_finished(call: Call) -> Used:
    """The run that `run=DIR` names, with the call's data and hardware in place of the frozen ones.

    Raises BadInput for a run that is not there and for overrides of anything else.
    """
    if not (folder := call.given("run")):
        example = f"python -m pipeline.{call.command} run=outputs/…"
        raise BadInput(Problem("run", "which run?", f"a run directory: {example}"))
    run = open_run(folder)
    frozen, spec = load_frozen(run)
    given = lasting(call.overrides)
    names = {text: text.lstrip("+~").partition("=")[0].partition(".")[0] for text in given}
    problems = [
        Problem(text, "belongs to how the run was trained, which is over", listing(CHANGEABLE))
        for text, name in names.items()
        if name not in CHANGEABLE
    ]
    if problems:
        raise BadInput(problems)
    if not given:
        return Used(run, spec)
    kept = list(frozen.overrides)
    for group in ("data", "hardware"):
        if call.given(group) is not None:  # another option: what was set for the old one says nothing of it
            kept = [text for text in kept if not text.lstrip("+~").startswith((f"{group}=", f"{group}."))]
    now = load(compose([*kept, *given], call.config_dir))
    changed = {name: getattr(now, name) for name in CHANGEABLE}
    return Used(run, dataclasses.replace(spec, **changed))
