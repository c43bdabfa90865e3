"""What varies in a sweep: keys with the values that they may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Choices:
    """One of several values, each as it is typed; a null is a value too. text: the whole as the user typed it."""

    key: str
    text: str
    values: tuple[str, ...]

    @property
    def corners(self) -> tuple[str, ...]:
        """The values to try to find out whether all of them can work."""
        return self.values

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def shown(self) -> str:
        return ", ".join(self.values)


@dataclass(frozen=True)
class Interval:
    """A number from `low` to `high`, both included; `log`: uniform in the logarithm; `step`: every so much only."""

    key: str
    text: str
    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def corners(self) -> tuple[str, ...]:
        return (repr(self.low), repr(self.high))

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(float(self.low), float(self.high), log=self.log, step=self.step)

    def shown(self) -> str:
        steps = f", every {self.step:g}" if self.step else ""
        return f"{self.low:g} … {self.high:g}" + (" (log)" if self.log else "") + steps


Parameter = Choices | Interval


def word(parameter: Parameter, value: Any) -> str:
    """``key=value`` as on a command line."""
    return f"{parameter.key}={value if isinstance(value, str) else repr(value)}"
