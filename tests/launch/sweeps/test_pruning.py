"""The rule by which runs end early is that of the paper, as Optuna has it, and asks for nothing but the values."""

import random

import optuna
import pytest

from pipeline.launch.sweeps.pruning import rung_at, verdict
from pipeline.launch.sweeps.spec import Asha


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(("first", "reduction"), [(1, 2), (1, 3), (2, 4)])
def test_it_is_successive_halving(maximize: bool, first: int, reduction: int) -> None:
    sweep = Asha(first=first, reduction=reduction)
    study = optuna.create_study(
        direction="maximize" if maximize else "minimize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=reduction),
    )
    draw, ended, curves = random.Random(0), 0, list[dict[int, float]]()
    for _ in range(40):
        trial, curve = study.ask(), {}
        for step in range(1, 20):
            value = draw.random() + step / 10
            trial.report(value, step)
            curve[step] = value
            others = [other[step] for other in curves if step in other]
            why = verdict(sweep, step, value, others, maximize)
            assert (why is not None) == trial.should_prune(), (step, value, others)
            if why is not None:
                ended += 1
                break
        curves.append(curve)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED if why else optuna.trial.TrialState.FAIL)
    assert 20 < ended < 40


def test_rungs_and_what_is_said() -> None:
    sweep = Asha(first=2, reduction=3)
    assert [step for step in range(1, 60) if rung_at(sweep, step) is not None] == [2, 6, 18, 54]
    assert verdict(sweep, 3, 0.0, [1.0] * 9, True) is None, "between rungs"
    why = verdict(sweep, 6, 0.5, [0.9, 0.8, 0.7, 0.6, 0.4], True)
    assert why == "0.5000 after 6 validations (rung 1): of 6 that came as far one in 3 goes on, from 0.8000"
    assert verdict(sweep, 6, 0.8, [0.9, 0.8, 0.7, 0.6, 0.4], True) is None
    assert verdict(sweep, 1, float("nan"), [], True) == "its value is not a number"
    assert verdict(sweep, 2, 0.1, [float("nan")] * 5, True) is None, "what is no number is no competition"
