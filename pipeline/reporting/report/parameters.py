"""What varies between the trials of a sweep, as values, and how much each of it matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from pipeline.runs.sweep_record import Trial

# With fewer a forest has nothing to learn from.
FEWEST = 8


def parameters(trial: Trial) -> dict[str, Any]:
    """Key -> value of a trial's words: ``optimizer.lr=1e-05`` is a number, ``strategy=lora`` a word."""
    pairs = (word.lstrip("+").partition("=") for word in trial.overrides)
    return {key: _value(text) for key, _, text in pairs}


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


def common_names(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Parameters that every trial has and that differ between some."""
    names = [name for name in (values[0] if values else ()) if all(name in each for each in values)]
    return [name for name in names if len({str(each[name]) for each in values}) > 1]


def importances(values: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> dict[str, float] | str:
    """Share of the spread of the scores that each parameter explains, most first, by fANOVA (Hutter et al., "An
    Efficient Approach for Assessing Hyperparameter Importance", 2014) as Optuna has it; or why that cannot be said."""
    names = common_names(values)
    if len(names) < 2:
        return "The importance of parameters needs two of them that vary, in every trial."
    if len(scores) < FEWEST:
        return f"The importance of parameters needs {FEWEST} finished trials; there are {len(scores)}."
    if min(scores) == max(scores):
        return "All scores are equal: no parameter matters."
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    spaces = {name: _distribution([each[name] for each in values]) for name in names}
    words = {name for name in names if isinstance(spaces[name], optuna.distributions.CategoricalDistribution)}
    trials = [
        optuna.trial.create_trial(
            params={name: str(each[name]) if name in words else each[name] for name in names},
            distributions=spaces,
            value=score,
        )
        for each, score in zip(values, scores, strict=True)
    ]
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
        study.add_trials(trials)
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    finally:
        optuna.logging.set_verbosity(before)
    return {name: float(share) for name, share in found.items()}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    from pipeline.reporting.report.axes import Numbers, axis

    scale = axis(values, 0, 1)
    if isinstance(scale, Numbers):
        return FloatDistribution(min(values), max(values), log=scale.log)
    return CategoricalDistribution(sorted(set(map(str, values))))
