"""The last checks before a run is frozen: those that need its data, its model and this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.augmentation import changes
from pipeline.data.prepare import Prepared, prepare
from pipeline.launch.machine import Machine, look
from pipeline.launch.plan import plan
from pipeline.launch.schedule import Schedule, schedule

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


@dataclass(frozen=True)
class Ready:
    """A configuration whose data and model are known to be good."""

    spec: RunSpec
    prepared: Prepared
    machine: Machine
    schedule: Schedule

    def plan(self) -> list[tuple[str, str]]:
        """Rows of the plan: what, and how much."""
        return plan(self.spec, self.prepared, self.machine, self.schedule)


def get_ready(spec: RunSpec) -> Ready:
    """Prepare data and model and check everything that depends on them. Nothing is written to the outputs.

    Raises BadInput.
    """
    machine = look(spec.hardware)
    for leaf in spec.leaves():
        leaf.check()
    prepared = prepare(
        task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy, train=spec.train
    )
    if spec.train and spec.data.augmentation.mask:
        changes(spec.data.augmentation, spec.model.tokenizer(prepared.checkpoint["folder"]), spec.seed)
    return Ready(spec, prepared, machine, schedule(spec, prepared, machine))
