"""An exponential moving average of the trained weights."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


@component
class Ema(CallbackSpec):
    """After every optimizer step the average becomes ``decay`` times itself and 1 - ``decay`` times the weights.

    What Polyak and Juditsky (1992) average, with the newest weights counting most. Validation scores the average, and
    the best checkpoint holds it; training goes on with the weights themselves.
    """

    weight_copies: ClassVar[int] = 1

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    # The decay after n steps is at most (1 + n) / (10 + n), so that short runs forget how they began.
    warmup: bool = True

    def share(self, count: int) -> float:
        """What the weights count in an average of ``count`` sets of them."""
        decay = min(self.decay, (1 + count) / (10 + count)) if self.warmup else self.decay
        return 1 - decay

    def build(self, facts: RunFacts) -> "Callback":
        from pipeline.training.averaging import Averaging

        return Averaging(self.share, lambda step: True)
