"""Work on trials: freeze their runs, hand those that are not over to the launcher, see how they ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import BadInput, Interrupted
from pipeline.launch.sweeps.locks import Locks, of_runs
from pipeline.launch.sweeps.trials import OVER, Claimed, Outcome, Trials, outcome_of
from pipeline.runs.directory import CREATED, FAILED, FINISHED, INTERRUPTED, PRUNED, RunDirectory


class Launch(Protocol):
    """Has runs worked on, and returns once they have ended, with what each raised."""

    # Jobs run in this process, one after another.
    here: bool
    # May be called from several threads.
    concurrent: bool

    def __call__(self, runs: Sequence[RunDirectory]) -> list[BaseException | None]: ...


@dataclass(frozen=True)
class Worker:
    """changed: called after every change of a trial. first_alone: the first run of a trial may make the others
    needless."""

    trials: Trials
    launch: Launch
    locks: Locks
    retries: int
    first_alone: bool
    changed: Callable[[], object]

    def work(self, wave: Sequence[Claimed]) -> None:
        """Bring trials to their end. One that fails ends no other. Raises Interrupted where a job in this process was
        asked to stop."""
        try:
            self._work(wave)
        finally:
            for claimed in wave:
                self.trials.let_go(claimed)

    def _work(self, wave: Sequence[Claimed]) -> None:
        frozen: dict[int, list[RunDirectory]] = {}
        for claimed in wave:
            try:
                frozen[claimed.number] = self.trials.runs(claimed)
            except BadInput as error:
                self._tell(claimed, Outcome(FAILED, error=str(error)))
        at_work = [claimed for claimed in wave if claimed.number in frozen]
        runs = {run: claimed for claimed in at_work for run in frozen[claimed.number]}
        with self.locks.hold(*of_runs([run.folder.name for run in runs])):
            # Of runs that others have, they are waited for above, and may have ended meanwhile.
            pending = [run for run, claimed in runs.items() if self._is_pending(run, claimed)]
            self.changed()
            if self.first_alone:
                first = {of_trial[0] for of_trial in frozen.values()}
                self._launch([run for run in pending if run in first])
                worth = {
                    run for of_trial in frozen.values() if of_trial[0].state == FINISHED for run in of_trial
                }
                pending = [run for run in pending if run in worth - first]
            self._launch(pending)
        for claimed in at_work:
            self._tell(claimed, outcome_of(frozen[claimed.number]))

    def _tell(self, claimed: Claimed, outcome: Outcome) -> None:
        self.trials.tell(claimed, outcome)
        if outcome.state == FAILED:
            say(f"{claimed.name} failed: {_first_line(outcome.error)}")
        self.changed()

    def _is_pending(self, run: RunDirectory, claimed: Claimed) -> bool:
        """Whether a run is to be launched; in one line what becomes of one that was begun before."""
        manifest, what = run.manifest(), f"{claimed.name}: {run.folder.name}"
        state = manifest["state"]
        if state == FINISHED:
            say(f"{what} had finished")
        elif state == FAILED:
            return self._tries_again(run, what)
        elif state != PRUNED and manifest["starts"]:
            say(f"{what} goes on where it was cut off")
        return state not in OVER

    def _tries_again(self, run: RunDirectory, what: str) -> bool:
        manifest = run.manifest()
        used, why = manifest.get("retries", 0), _first_line(manifest.get("error"))
        if used >= self.retries:
            say(f"{what} is not tried again, sweep.retries={self.retries}: {why}")
            return False
        # Counted and begun in one write: killed in between, it goes on.
        run.update(retries=used + 1, state=CREATED)
        say(f"{what} is tried again ({used + 1} of {self.retries}): {why}")
        return True

    def _launch(self, runs: Iterable[RunDirectory]) -> None:
        """Launch runs, and those that fail again, as long as they may be."""
        left = list(runs)
        while left:
            step = 1 if self.launch.here else len(left)
            for start in range(0, len(left), step):
                batch = left[start : start + step]
                for run, error in zip(batch, self.launch(batch), strict=True):
                    self._settle(run, error)
                self.changed()
            failed = [run for run in left if run.state == FAILED]
            left = [run for run in failed if self._tries_again(run, run.folder.name)]

    def _settle(self, run: RunDirectory, error: BaseException | None) -> None:
        """Put the end of a run that could not say it itself into its directory."""
        if isinstance(error, Interrupted):
            if self.launch.here:
                raise error
            return
        if run.state in (*OVER, INTERRUPTED) or run.is_worked_on():
            return
        said = f"{type(error).__name__}: {error}" if error else "its process ended without a word"
        run.update(state=FAILED, error=said)


def _first_line(error: str | None) -> str:
    return (error or "no error was left").splitlines()[0]


def say(text: str) -> None:
    """A line for who watches; standard output is the result's."""
    print(text, file=sys.stderr)
