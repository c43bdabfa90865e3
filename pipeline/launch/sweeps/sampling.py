"""What a trial gets follows from its number: asked again after a crash, the same comes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from pipeline.launch.sweeps.space import Choices, Parameter, word

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

# Of a drawn number: more say nothing, and nobody can read them.
_DIGITS = 4


class Numbered(BaseSampler):
    """TPE or random draws, of each parameter by itself (which leaves room for those that not every trial has), with
    a generator of its own for each: the seed, the trial's number and the parameter's name say what it gives."""

    def __init__(self, seed: int, tpe: bool = False, startup: int = 10) -> None:
        self.seed, self.tpe, self.startup = seed, tpe, startup

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = zlib.crc32(f"{self.seed} {trial.number} {param_name}".encode())
        # Trials that run beside this one count as if they were not there: they may not be, the next time.
        sampler: BaseSampler = (
            TPESampler(seed=seed, n_startup_trials=self.startup, multivariate=False, constant_liar=False)
            if self.tpe
            else RandomSampler(seed=seed)
        )
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def suggest(trial: Trial, parameter: Parameter) -> str:
    """The word of a parameter in a trial; the one that it has, where it has one."""
    if isinstance(parameter, Choices):
        return word(parameter, trial.suggest_categorical(parameter.key, parameter.values))
    low, high, log, step = parameter.low, parameter.high, parameter.log, parameter.step
    if parameter.whole:
        number: float = trial.suggest_int(parameter.key, int(low), int(high), log=log, step=int(step or 1))
    else:
        number = trial.suggest_float(parameter.key, low, high, log=log, step=step)
        number = min(max(float(f"{number:.{_DIGITS}g}"), low), high)
    return word(parameter, number)
