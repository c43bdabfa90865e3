"""Errors that say what was wrong, where, what is allowed and what was probably meant."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

FINISHED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 75


class Numbers(Protocol):
    """Of rows: a list, or an array of a few bytes for each."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True)
class Problem:
    """One mistake in what the user gave.

    where: the configuration key (``optimizer.lr``) or the file and line (``reviews.csv:12``).
    what: what is wrong, with the value.
    allowed: what would be right.
    nearest: the valid name that was probably meant.
    rows: of the data that this is about, by split and counted from 1, where a run without them could do.
    fault: what is wrong with each of these, where ``what`` goes on with their places.
    """

    where: str
    what: str
    allowed: str = ""
    nearest: str = ""
    rows: Mapping[str, Numbers] = field(default_factory=dict, compare=False, repr=False)
    fault: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}"]
        if self.nearest:
            lines.append(f"    did you mean: {self.nearest}")
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        return "\n".join(lines)


class BadInput(Exception):
    """What the user gave cannot work. Raised before anything is spent; exit code 2."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> "tuple[type[BadInput], tuple[list[Problem]]]":
        """It comes whole out of a process that raised it."""
        return type(self), (self.problems,)


class Diverged(RuntimeError):
    """Training left the finite numbers, and what it would go on to is worth nothing; exit code 1."""


class RunFailed(RuntimeError):
    """A run that was started, or a process of it that has said why, ended without finishing; exit code 1."""


class Interrupted(Exception):
    """The run was asked to stop, and left a checkpoint to resume from where it writes any; exit code 75."""


class Pruned(Exception):
    """A search ended the run before its time, because others do better; exit code 0: it did what it was for.

    step: the optimizer step after which it ended.
    """

    def __init__(self, step: int, why: str) -> None:
        self.step, self.why = step, why
        super().__init__(f"step {step}: {why}")

    def __reduce__(self) -> "tuple[type[Pruned], tuple[int, str]]":
        return type(self), (self.step, self.why)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate that looks most like ``name``, or an empty string when none is close."""
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return close[0] if close else ""


def listing(names: Iterable[str], most: int = 30) -> str:
    """Names in one line, cut after ``most`` of them."""
    names = list(names)
    more = f", … ({len(names) - most} more)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
