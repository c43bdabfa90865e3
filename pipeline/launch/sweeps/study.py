"""The trials of a search, in Optuna's storage. What a trial has to be is stored before anything is made of it, so that
after a crash it is taken up again, not asked anew."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.launch.ready import Ready, get_ready
from pipeline.launch.sweeps.asked import Asked
from pipeline.launch.sweeps.checking import check_space
from pipeline.launch.sweeps.freezing import drawn_folder, freeze_job
from pipeline.launch.sweeps.locks import Locks, of_runs
from pipeline.launch.sweeps.record import recorded
from pipeline.launch.sweeps.spec import Asha, Grid, Random, Search
from pipeline.launch.sweeps.trials import STARTED, Claimed, Outcome, Trial
from pipeline.runs.directory import FAILED, FINISHED, PRUNED, RunDirectory
from pipeline.runs.freezing import differences, run_id

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_WORDS, _RUNS, _ERROR, _ASKED = "words", "runs", "error", "asked"


class Study:
    """Trials are numbered as Optuna numbers them; the words, runs and error of each are attributes of it."""

    def __init__(self, asked: Asked, folder: Path, ready: Ready, study: optuna.Study) -> None:
        assert isinstance(asked.sweep, Search)
        self.asked, self.sweep, self.folder, self.ready, self.study = asked, asked.sweep, folder, ready, study
        self.locks = Locks(folder)
        self.touched: set[int] = set()
        self.composing = threading.Lock()  # Hydra composes with state that all threads share.

    @classmethod
    def of(cls, asked: Asked) -> Study:
        """Check the space, make the folder and open the storage. Raises BadInput before anything is written."""
        import optuna

        from pipeline.launch.sweeps.sampling import Numbered
        from pipeline.launch.sweeps.storage import open_storage

        sweep = asked.sweep
        assert isinstance(sweep, Search)
        ready = check_space(asked)[0]
        folder = drawn_folder(asked, ready.spec).resolve()
        if (there := recorded(folder)) and there["sweeper"] in (Grid.sweeper, Random.sweeper):
            what = f"{folder} holds another sweep: {there['sweeper']}"
            raise BadInput(Problem("name", what, "another name"))
        storage = open_storage(sweep.storage, folder) if sweep.storage else None
        locks = Locks(folder)
        with locks.hold("asking"):
            study = optuna.create_study(
                storage=storage or open_storage(None, folder),
                study_name=folder.name,
                load_if_exists=True,
                direction="minimize" if ready.schedule.mode == "min" else "maximize",
                sampler=Numbered(asked.seed, sweep.sampler == "tpe", sweep.startup),
            )
            before = study.user_attrs.get(_ASKED)
            if before is None:
                study.set_user_attr(_ASKED, asked.identity())
        if before is not None and (changed := differences(before, asked.identity())):
            what = f"{folder} holds another search: {_told(*next(iter(changed.items())))}"
            raise BadInput(Problem("name", what, "another name, or the same search with more trials"))
        return cls(asked, folder, ready, study)

    def claim(self, size: int) -> list[Claimed]:
        from optuna.trial import Trial as Asking
        from optuna.trial import TrialState

        claimed: list[Claimed] = []
        with self.locks.hold("asking"):
            trials = self.study.get_trials(deepcopy=False)
            for trial in trials:
                if trial.state != TrialState.RUNNING or trial.number in self.touched or len(claimed) == size:
                    continue
                if lock := self.locks.take(f"trial-{trial.number}"):  # Cut off: whoever worked on it is gone.
                    words = self._words(Asking(self.study, trial._trial_id))
                    claimed.append(Claimed(trial.number, words, lock))
            number = len(trials)
            # Trials that are handed out together learn from the same ones before them, whatever was cut off.
            while len(claimed) < size and number < self.sweep.trials:
                if any(one.number < number - number % size for one in claimed):
                    break
                asking = self.study.ask()
                lock = self.locks.take(f"trial-{asking.number}")
                assert lock is not None, "nobody knows of it yet"
                claimed.append(Claimed(asking.number, self._words(asking), lock))
                number = asking.number + 1
            self.touched |= {one.number for one in claimed}
        return claimed

    def _words(self, trial: optuna.Trial) -> list[str]:
        from pipeline.launch.sweeps.sampling import suggest

        words = trial.user_attrs.get(_WORDS)
        if words is None:
            with self.composing:
                words = self.asked.choose(lambda parameter: suggest(trial, parameter))
            trial.set_user_attr(_WORDS, words)
        return list(words)

    def all_over(self) -> bool:
        from optuna.trial import TrialState

        trials = self.study.get_trials(deepcopy=False)
        waiting = {t.number for t in trials if t.state == TrialState.RUNNING} - self.touched
        return len(trials) >= self.sweep.trials and not waiting

    def runs(self, claimed: Claimed) -> list[RunDirectory]:
        with self.composing:
            jobs = self.asked.jobs(claimed.overrides)
            ready = [get_ready(job.spec) for job in jobs]
        ids = [run_id(one.spec, one.prepared) for one in ready]
        facts: list[dict[str, Any]] = [{} for _ in jobs]
        if isinstance(self.sweep, Asha):
            # The first of several seeds says whether it is worth the others.
            facts[0] = {"trial": claimed.number}
        with self.locks.hold(*of_runs(ids)):
            made = zip(jobs, ready, facts, strict=True)
            runs = [freeze_job(job, one, self.folder, **fact) for job, one, fact in made]
        self._attribute(claimed, _RUNS, [run.folder.name for run in runs])
        return runs

    def _attribute(self, claimed: Claimed, name: str, value: Any) -> None:
        trial = self.study.get_trials(deepcopy=False)[claimed.number]
        self.study._storage.set_trial_user_attr(trial._trial_id, name, value)

    def tell(self, claimed: Claimed, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        if outcome.state == FINISHED and outcome.value is None:
            outcome = Outcome(FAILED, error=f"{self.ready.schedule.monitor} is not a number")
        states = {FINISHED: TrialState.COMPLETE, FAILED: TrialState.FAIL, PRUNED: TrialState.PRUNED}
        if outcome.error is not None:
            self._attribute(claimed, _ERROR, outcome.error)
        if state := states.get(outcome.state):
            value = outcome.value if outcome.state == FINISHED else None
            self.study.tell(claimed.number, value, state=state)

    def let_go(self, claimed: Claimed) -> None:
        claimed.lock.release()

    def all(self) -> list[Trial]:
        return [_trial(trial) for trial in self.study.get_trials(deepcopy=False)]


def _trial(trial: FrozenTrial) -> Trial:
    from optuna.trial import TrialState

    states = {TrialState.COMPLETE: FINISHED, TrialState.FAIL: FAILED, TrialState.PRUNED: PRUNED}
    state = states.get(trial.state, STARTED)
    # Of a pruned one Optuna keeps the last value that it told.
    value = trial.value if state in (FINISHED, PRUNED) else None
    outcome = Outcome(state, value, trial.user_attrs.get(_ERROR))
    return Trial(trial.number, trial.user_attrs.get(_WORDS, []), trial.user_attrs.get(_RUNS, []), outcome)


def _told(key: str, values: tuple[Any, Any]) -> str:
    """One difference between two searches; of lists of words those that only one of them has."""
    old, new = values
    if isinstance(old, list) and isinstance(new, list):
        old, new = ([word for word in one if word not in other] for one, other in ((old, new), (new, old)))
        return f"with {' '.join(old) or 'nothing'} where there is {' '.join(new) or 'nothing'} now"
    return f"{key} was {old}, and is {new} now"
