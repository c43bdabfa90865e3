"""What a sweep was asked for: what all its jobs have, what varies, and how a job is made of words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.launch.sweeps.space import Parameter
from pipeline.launch.sweeps.spec import Sweep

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec

# What a search may go on with otherwise: where and how its runs compute, and what is written about them.
_ASIDE = ("hardware", "logger", "name", "paths", "tags")


@dataclass(frozen=True)
class Job:
    """One run to be: its configuration, the files that its directory keeps of it, and its overrides."""

    spec: RunSpec
    files: Mapping[str, str]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A sweep as it was asked for.

    words: of the command line, in its order; a parameter stands where its word will be.
    seeds: runs of each configuration, None for one with whatever seed it has.
    seed: of the draws.
    job: makes a job of words; raises BadInput.
    present: those of the keys that a configuration of these words has.
    conditional: parameters whose key not every option of a group that varies too may have.
    """

    sweep: Sweep
    seeds: int | None
    seed: int
    name: str | None
    words: tuple[str | Parameter, ...]
    job: Callable[[Sequence[str]], Job]
    present: Callable[[Sequence[str], Collection[str]], set[str]]
    conditional: frozenset[str] = frozenset()

    @property
    def parameters(self) -> list[Parameter]:
        return [word for word in self.words if not isinstance(word, str)]

    @property
    def common(self) -> list[str]:
        """What every job has, without what only says how to sweep."""
        words = [word for word in self.words if isinstance(word, str)]
        return [word for word in words if _first_key(word) != "sweep"]

    @property
    def space(self) -> dict[str, str]:
        return {parameter.key: parameter.text for parameter in self.parameters}

    def identity(self) -> dict[str, object]:
        """What makes two searches the same one; how many trials it has may grow."""
        kept = {"sweeper": self.sweep.sweeper, "seed": self.seed, "seeds": self.seeds}
        settings = {
            key: getattr(self.sweep, key)
            for key in ("sampler", "startup", "first", "reduction")
            if hasattr(self.sweep, key)
        }
        common = [word for word in self.common if _first_key(word) not in _ASIDE]
        return {**kept, **settings, "space": self.space, "common": common}

    def choose(self, pick: Callable[[Parameter], str]) -> list[str]:
        """A word of each parameter, as ``pick`` makes it; of the conditional ones only where their key is there."""
        chosen = {p.key: pick(p) for p in self.parameters if p.key not in self.conditional}
        if self.conditional:
            there = self.present(self.of(list(chosen.values())), self.conditional)
            chosen |= {p.key: pick(p) for p in self.parameters if p.key in there}
        return [chosen[p.key] for p in self.parameters if p.key in chosen]

    def of(self, chosen: Sequence[str]) -> list[str]:
        """The words of the job in which the parameters have these words."""
        by_key = {word.partition("=")[0]: word for word in chosen}
        slots = [word if isinstance(word, str) else by_key.get(word.key) for word in self.words]
        return [word for word in slots if word is not None]

    def jobs(self, chosen: Sequence[str]) -> list[Job]:
        """The runs of one trial: one, or one for each seed. Raises BadInput."""
        words = self.of(chosen)
        first = self.job(words)
        if self.seeds is None:
            return [first]
        seeds = [first.spec.seed + number for number in range(self.seeds)]
        return [self.job([*words, f"seed={seed}"]) for seed in seeds]


def _first_key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition(".")[0]
