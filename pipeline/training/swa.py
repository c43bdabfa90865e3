"""The plain mean of the trained weights over the last part of training."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import Problem
from pipeline.training.ema import Ema
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


@component
class Swa(CallbackSpec):
    """Stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407).

    The learning rate is the scheduler's; the paper keeps it high while it averages (``scheduler=constant``). Once there
    is a mean, validation scores it, and the best checkpoint may hold it.
    """

    weight_copies: ClassVar[int] = 1

    # Where averaging begins, as a share of all optimizer steps.
    start: Annotated[float, Field(ge=0, lt=1)] = 0.75
    # Optimizer steps between two sets of weights that are averaged.
    every: Annotated[int, Field(ge=1)] = 10

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """One average can take the place of the weights."""
        others = [name for name, other in spec.callbacks.items() if isinstance(other, Ema)]
        if others:
            yield Problem("callbacks", f"{others[0]} and swa both average the weights", "one of them")

    def due(self, step: int, total_steps: int) -> bool:
        first = max(1, round(self.start * total_steps))
        return step >= first and (step - first) % self.every == 0

    def build(self, facts: RunFacts) -> "Callback":
        from pipeline.training.averaging import Averaging

        return Averaging(lambda count: 1 / (count + 1), lambda step: self.due(step, facts.total_steps))
