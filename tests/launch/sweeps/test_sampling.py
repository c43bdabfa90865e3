"""What a trial gets follows from its number, its parameters' names and the trials before it."""

import math
import zlib

import optuna

from pipeline.launch.sweeps.sampling import Numbered, suggest
from pipeline.launch.sweeps.space import Choices, Interval

SPACE = [
    Interval("lr", "", 1e-5, 1e-2, log=True),
    Interval("layers", "", 1, 9, step=2),
    Interval("share", "", 0.0, 1.0, step=0.25),
    Choices("strategy", "", ("full", "lora", "null")),
]


def study(tpe: bool) -> optuna.Study:
    made = optuna.create_study(sampler=Numbered(7, tpe, startup=3))
    for number in range(8):
        trial = made.ask()
        for parameter in SPACE:
            suggest(trial, parameter)
        made.tell(trial, (number % 5) / 5)
    return made


def test_asked_again_half_way_the_same_comes() -> None:
    for tpe in (False, True):
        whole, cut = study(tpe), study(tpe)
        first = whole.ask()
        expected = [suggest(first, parameter) for parameter in SPACE]
        begun = cut.ask()
        suggest(begun, SPACE[2])  # And then the process dies.
        again = optuna.trial.Trial(cut, begun._trial_id)
        assert [suggest(again, parameter) for parameter in reversed(SPACE)] == expected[::-1]


def test_it_is_what_optuna_draws() -> None:
    made = study(tpe=True)
    trial = made.ask()
    frozen = made.trials[trial.number]
    sampler = optuna.samplers.TPESampler(
        seed=zlib.crc32(f"7 {trial.number} lr".encode()),
        n_startup_trials=3,
        multivariate=False,
        constant_liar=False,
    )
    drawn = sampler.sample_independent(made, frozen, "lr", SPACE[0].distribution())
    assert suggest(trial, SPACE[0]) == f"lr={float(f'{drawn:.4g}')!r}"


def test_values_are_within_bounds_and_on_steps() -> None:
    made = study(tpe=False)
    rates = {trial.params["lr"] for trial in made.trials}
    assert len(rates) == 8 and all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert {trial.params["layers"] for trial in made.trials} <= {1, 3, 5, 7, 9}
    assert {trial.params["share"] for trial in made.trials} <= {0.0, 0.25, 0.5, 0.75, 1.0}
    edge = Interval("x", "", 0.123456, 0.1234561)
    assert suggest(made.ask(), edge) == "x=0.1234561", "rounded, it would be outside"


def test_it_learns_where_random_draws_do_not() -> None:
    means = []
    for tpe in (False, True):
        made = optuna.create_study(sampler=Numbered(0, tpe, startup=10))
        for _ in range(40):
            trial = made.ask()
            rate = float(suggest(trial, SPACE[0]).partition("=")[2])
            made.tell(trial, abs(math.log10(rate) + 3))
        means.append(sum(trial.value or 0 for trial in made.trials[20:]) / 20)
    assert means[1] < means[0] / 2
