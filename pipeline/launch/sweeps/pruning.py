"""Which runs of a search end before their time: asynchronous successive halving, and how a run asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.launch.sweeps.spec import Asha
from pipeline.runs.directory import RunDirectory

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.schedule import Schedule

# (number of the validation, value) -> why the run is to end, None where it goes on.
Decide = Callable[[int, float], str | None]


def pruning(run: RunDirectory, spec: RunSpec, schedule: Schedule) -> list[Any]:
    """The callback of a run that a search may end; in every process of it."""
    number = run.manifest().get("trial")
    if not isinstance(spec.sweep, Asha) or not spec.train or number is None or schedule.monitor is None:
        return []
    from pipeline.training.pruning_callback import PruningCallback

    decide = reporting(run, spec.sweep, number)
    return [PruningCallback(schedule.monitor, schedule.total_steps, decide)]


def reporting(run: RunDirectory, sweep: Asha, number: int) -> Decide:
    """Tell the search of a validation's value, and ask whether the run goes on. The storage is opened when first
    asked, which the first process of a run alone does."""

    def decide(step: int, value: float) -> str | None:
        import optuna

        from pipeline.launch.sweeps.storage import open_storage

        folder = run.folder.parent
        study = optuna.load_study(study_name=folder.name, storage=open_storage(sweep.storage, folder))
        trials = study.get_trials(deepcopy=False)
        own = next(trial for trial in trials if trial.number == number)
        if own.state.is_finished():
            return None  # The run goes on by itself, after the search.
        if (
            step not in own.intermediate_values
        ):  # A run that goes on from a checkpoint makes some steps again.
            optuna.trial.Trial(study, own._trial_id).report(value, step)
        others = [trial.intermediate_values for trial in trials if trial.number != number]
        reached = [values[step] for values in others if step in values]
        maximize = study.direction == optuna.study.StudyDirection.MAXIMIZE
        return verdict(sweep, step, value, reached, maximize)

    return decide


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
