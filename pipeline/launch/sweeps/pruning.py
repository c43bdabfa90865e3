"""Which runs of a search end before their time: asynchronous successive halving, and how a run asks for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.launch.sweeps.spec import Asha
from pipeline.runs.directory import RunDirectory

if TYPE_CHECKING:
    import optuna

    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.schedule import Schedule


def pruning(run: RunDirectory, spec: RunSpec, schedule: Schedule) -> list[Any]:
    """The callback of a run that a search may end; in every process of it."""
    number = run.manifest().get("trial")
    if not isinstance(spec.sweep, Asha) or not spec.train or number is None or schedule.monitor is None:
        return []
    from pipeline.training.pruning_callback import PruningCallback

    reporter = Reporter(run, spec.sweep, number)
    return [PruningCallback(schedule.monitor, schedule.total_steps, reporter.decide)]


@dataclass
class Reporter:
    """Tells the search of a run's values. The storage is opened when first needed, which is in the run's first process
    alone."""

    run: RunDirectory
    sweep: Asha
    number: int

    @cached_property
    def study(self) -> optuna.Study:
        import optuna

        from pipeline.launch.sweeps.storage import open_storage

        folder = self.run.folder.parent
        return optuna.load_study(study_name=folder.name, storage=open_storage(self.sweep.storage, folder))

    def decide(self, step: int, value: float) -> str | None:
        """Why the run is to end after its validation number `step`, None where it goes on."""
        from optuna.study import StudyDirection
        from optuna.trial import Trial

        trials = self.study.get_trials(deepcopy=False)
        own = next(trial for trial in trials if trial.number == self.number)
        if own.state.is_finished():
            return None  # The run goes on by itself, after the search.
        if (
            step not in own.intermediate_values
        ):  # A run that goes on from a checkpoint makes some steps again.
            Trial(self.study, own._trial_id).report(value, step)
        others = [trial.intermediate_values for trial in trials if trial.number != self.number]
        reached = [values[step] for values in others if step in values]
        maximize = self.study.direction == StudyDirection.MAXIMIZE
        return verdict(self.sweep, step, value, reached, maximize)


def verdict(sweep: Asha, step: int, value: float, others: Sequence[float], maximize: bool) -> str | None:
    """Why a run ends at its validation number `step` (from 1), None where it goes on.

    others: what those who came as far before had there. At a rung the best one in `reduction` of all who have
    reached it goes on, and the best of all while there are fewer (Li et al. 2020, arXiv:1810.05934, Algorithm 2).
    It depends on nothing else, so a run that asks again after a crash is told the same.
    """
    if math.isnan(value):
        return "its value is not a number"
    rung = rung_at(sweep, step)
    if rung is None:
        return None
    known = sorted((v for v in (*others, value) if not math.isnan(v)), reverse=maximize)
    bar = known[max(len(known) // sweep.reduction, 1) - 1]
    if value >= bar if maximize else value <= bar:
        return None
    rule = f"of {len(known)} that came as far one in {sweep.reduction} goes on, from {bar:.4f}"
    return f"{value:.4f} after {step} validations (rung {rung}): {rule}"


def rung_at(sweep: Asha, step: int) -> int | None:
    """The number of the rung at this validation, if there is one."""
    rung, at = 0, sweep.first
    while at < step:
        rung, at = rung + 1, at * sweep.reduction
    return rung if at == step else None
