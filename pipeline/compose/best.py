"""`sweep.best=DIR`: the words of the trial that has won a sweep, in front of a call's own, which win."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from pipeline.errors import BadInput, Problem
from pipeline.runs.sweep_record import SweepRecord, open_sweep

KEY = "sweep.best"
T = TypeVar("T")


@dataclass(frozen=True)
class Taken:
    """The words of a call. winner: those of them that come from the trial that won."""

    words: tuple[str, ...]
    winner: tuple[str, ...] = ()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say of problems in a word of the winner where that comes from: nobody has typed it."""
        try:
            yield
        except BadInput as error:
            typed = {_key(word) for word in self.words[len(self.winner) :]}
            keys = {_key(word) for word in self.winner} - typed
            raise BadInput([_with_origin(p) if p.where in keys else p for p in error.problems]) from error

    def telling(self, make: Callable[[Sequence[str]], T]) -> Callable[[Sequence[str]], T]:
        """``make``, with its problems told so."""

        def told(words: Sequence[str]) -> T:
            with self.told():
                return make(words)

        return told


def take_best(overrides: Sequence[str]) -> Taken:
    """The words of a call, those of the winner first where it asks for them.

    Raises BadInput for a folder that is no sweep's, and for a sweep in which nothing has finished.
    """
    given = [word for word in overrides if _key(word) == KEY]
    folder = _folder(given[-1]) if given else None
    if folder is None:
        return Taken(tuple(overrides))
    sweep = open_sweep(folder, KEY)
    if sweep.best is None:
        raise BadInput(
            Problem(KEY, f"no trial of {folder} has finished with a score{_how_they_stand(sweep)}")
        )
    winner = tuple(sweep.best.overrides)
    return Taken((*winner, *overrides), winner)


def best_problems(best: str | None, overrides: Sequence[str]) -> list[Problem]:
    """What is wrong where a file asks for a winner: files are read after the words of a call are known."""
    if best is None or any(_key(word) == KEY for word in overrides):
        return []
    return [Problem(KEY, f"{best} is asked for in a file", f"a word of the call: {KEY}={best}")]


def _folder(word: str) -> str | None:
    """What the word names; None where it takes the choice back, or cannot be read, which is told with the rest."""
    try:
        value = OverridesParser.create().parse_override(word)
    except HydraException:
        return None
    if value.is_sweep_override():
        raise BadInput(Problem(KEY, f"several values: {word.partition('=')[2]}", "the folder of one sweep"))
    return None if value.value() is None else str(value.value())


def _how_they_stand(sweep: SweepRecord) -> str:
    states = [trial.state for trial in sweep.trials]
    return (
        ": " + ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        if states
        else ""
    )


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _with_origin(problem: Problem) -> Problem:
    return replace(problem, what=f"{problem.what} (it is of the trial that {KEY} takes)")
