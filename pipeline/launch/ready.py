"""The last checks before a run is frozen: those that need its data, its model and this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.data.augmentation import changes
from pipeline.data.prepare import Prepared, prepare
from pipeline.data.skipping import warn_of_skipped
from pipeline.errors import BadInput
from pipeline.launch.auditing import Report, audited
from pipeline.launch.machine import Machine
from pipeline.launch.machine import look as look_at
from pipeline.launch.plan import plan
from pipeline.launch.prefix import FrozenPrefix, look
from pipeline.launch.schedule import Schedule, schedule

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


@dataclass(frozen=True)
class Ready:
    """A configuration whose data and model are known to be good.

    audit: what was found in the data; None with data.audit=off.
    """

    spec: RunSpec
    prepared: Prepared
    machine: Machine
    schedule: Schedule
    audit: Report | None = None

    @property
    def files(self) -> dict[str, str]:
        """What is kept of it in the run's directory."""
        return {"audit.json": json.dumps(self.audit, ensure_ascii=False, indent=1)} if self.audit else {}

    @cached_property
    def prefix(self) -> FrozenPrefix | None:
        """The part of the model that is frozen, and whether it is computed once."""
        return look(self.spec, self.prepared)

    def compute_once(self) -> None:
        """Compute and store what the frozen part gives, where it is to be stored and the cache has it not."""
        if self.prefix is not None and not self.prefix.why_not:
            from pipeline.launch.features import compute

            compute(self.spec, self.prepared, self.machine)

    def table(self) -> list[tuple[str, str]]:
        """What was prepared: what, and where or how much."""
        frozen = [("frozen part", self.prefix.text())] if self.prefix else []
        return [*self.prepared.table(), *frozen]

    def plan(self) -> list[tuple[str, str]]:
        """Rows of the plan: what, and how much."""
        return plan(self.spec, self.prepared, self.machine, self.schedule, self.prefix)


def get_ready(spec: RunSpec) -> Ready:
    """Prepare data and model and check everything that depends on them. Nothing is written to the outputs.

    Raises BadInput.
    """
    machine = look_at(spec.hardware)
    for leaf in spec.leaves():
        leaf.check()
    prepared = prepare(
        task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy, train=spec.train
    )
    warn_of_skipped(prepared.skipped, prepared.folder)
    if spec.train and spec.data.augmentation.mask:
        changes(spec.data.augmentation, spec.model.tokenizer(prepared.checkpoint["folder"]), spec.seed)
    planned = schedule(spec, prepared, machine)
    if spec.train and planned.monitor is None:
        _check_unvalidated(spec)
    return Ready(spec, prepared, machine, planned, audited(spec, prepared))


def _check_unvalidated(spec: RunSpec) -> None:
    """Raises BadInput with what the parts that follow validation say of a run without it: a component may define
    ``unvalidated()``, which lists such problems."""
    problems = [
        problem
        for part in spec.components()
        if hasattr(part, "unvalidated")
        for problem in part.unvalidated()
    ]
    if problems:
        raise BadInput(problems)
