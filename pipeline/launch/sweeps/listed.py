"""Trials that are all known before the first one starts: a grid, or random draws. All are checked and frozen first."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.errors import BadInput, Problem
from pipeline.launch.ready import Ready
from pipeline.launch.sweeps.asked import Asked, Job
from pipeline.launch.sweeps.checking import check_values
from pipeline.launch.sweeps.freezing import drawn_folder, freeze_job, get_all_ready, grid_folder
from pipeline.launch.sweeps.locks import Locks
from pipeline.launch.sweeps.record import recorded
from pipeline.launch.sweeps.space import Choices, word
from pipeline.launch.sweeps.spec import Random
from pipeline.launch.sweeps.trials import PENDING, STARTED, Claimed, Outcome, Trial, outcome_of
from pipeline.runs.directory import RunDirectory
from pipeline.runs.freezing import run_id


class Listed:
    """Their state is that of their runs."""

    def __init__(
        self, folder: Path, ready: Ready, trials: Sequence[tuple[list[str], list[RunDirectory]]]
    ) -> None:
        self.folder, self.ready, self.trials = folder, ready, list(trials)
        self.locks = Locks(folder)
        self.touched: set[int] = set()
        self.at_work: set[int] = set()

    @classmethod
    def of(cls, asked: Asked) -> Listed:
        """Freeze every run of every trial. Raises one BadInput with the problems of all, before anything is
        written."""
        drawn = isinstance(asked.sweep, Random)
        if drawn:
            check_values(asked)  # An end that no draw came near is wrong too.
        chosen = draws(asked) if drawn else grid(asked)
        jobs = checked(asked, chosen)
        flat = get_all_ready([job for of_trial in jobs for job in of_trial])
        ids = [run_id(ready.spec, ready.prepared) for ready in flat]
        folder = drawn_folder(asked, flat[0].spec) if drawn else grid_folder([r.spec for r in flat], ids)
        left, trials, known = iter(flat), list[tuple[list[str], list[RunDirectory]]](), set[tuple[str, ...]]()
        keeps(folder, ids)
        with Locks(folder).hold("freezing"):
            for words, of_trial in zip(chosen, jobs, strict=True):
                runs = [freeze_job(job, next(left), folder) for job in of_trial]
                # In a grid, combinations that come to the same runs are one; a draw may be drawn again.
                key = tuple(run.folder.name for run in runs)
                if drawn or key not in known:
                    trials.append((words, runs))
                known.add(key)
        return cls(folder.resolve(), flat[0], trials)

    def claim(self, size: int) -> list[Claimed]:
        claimed: list[Claimed] = []
        with self.locks.hold("asking"):
            for number, (words, _) in enumerate(self.trials):
                if len(claimed) == size:
                    break
                if number not in self.touched and (lock := self.locks.take(f"trial-{number}")):
                    self.touched.add(number)
                    self.at_work.add(number)
                    claimed.append(Claimed(number, words, lock))
        return claimed

    def all_over(self) -> bool:
        return len(self.touched) == len(self.trials)

    def runs(self, claimed: Claimed) -> list[RunDirectory]:
        return self.trials[claimed.number][1]

    def tell(self, claimed: Claimed, outcome: Outcome) -> None:
        self.at_work.discard(claimed.number)  # The directories say the rest.

    def let_go(self, claimed: Claimed) -> None:
        self.at_work.discard(claimed.number)
        claimed.lock.release()

    def all(self) -> list[Trial]:
        return [
            Trial(number, words, [run.folder.name for run in runs], self._outcome(number, runs))
            for number, (words, runs) in enumerate(self.trials)
        ]

    def _outcome(self, number: int, runs: list[RunDirectory]) -> Outcome:
        outcome = outcome_of(runs)
        return Outcome(STARTED) if outcome.state == PENDING and number in self.at_work else outcome


def keeps(folder: Path, ids: Collection[str]) -> None:
    """Raises BadInput where the folder holds a sweep with trials that these runs would take the place of."""
    trials = (recorded(folder) or {"trials": []})["trials"]
    there = {run for trial in trials if trial["state"] != "failed" for run in trial["runs"]}
    if lost := there - set(ids):
        what = f"{folder} holds another sweep: {len(lost)} of its {len(there)} runs are none of this one's"
        raise BadInput(
            Problem("name", what, "another name, or values that have those of that sweep among them")
        )


def grid(asked: Asked) -> list[list[str]]:
    """The words of every combination, the last key varying fastest; equal ones once."""
    parameters = [p for p in asked.parameters if isinstance(p, Choices)]
    found: dict[tuple[str, ...], None] = {}
    for values in itertools.product(*(p.values for p in parameters)):
        of_key = {p.key: word(p, value) for p, value in zip(parameters, values, strict=True)}
        found[tuple(asked.choose(lambda p, of_key=of_key: of_key[p.key]))] = None  # type: ignore[misc]
    return [list(words) for words in found]


def draws(asked: Asked) -> list[list[str]]:
    """The words of random draws, each by its number."""
    import optuna

    from pipeline.launch.sweeps.sampling import Numbered, suggest

    assert isinstance(asked.sweep, Random)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=Numbered(asked.seed))
    trials = [study.ask() for _ in range(asked.sweep.trials)]
    return [asked.choose(lambda p, trial=trial: suggest(trial, p)) for trial in trials]  # type: ignore[misc]


def checked(asked: Asked, chosen: Sequence[list[str]]) -> list[list[Job]]:
    """The jobs of every trial. Raises one BadInput with the problems of all."""
    jobs, problems = [], dict[Problem, None]()
    for words in chosen:
        try:
            jobs.append(asked.jobs(words))
        except BadInput as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise BadInput(list(problems))
    return jobs
