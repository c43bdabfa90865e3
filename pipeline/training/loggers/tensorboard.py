"""TensorBoard event files in the run directory."""

from typing import TYPE_CHECKING

from pipeline.component import component
from pipeline.training.loggers.base import require
from pipeline.training.specs import LoggerSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@component
class TensorBoard(LoggerSpec):
    """``tensorboard --logdir <run>/logs/tensorboard`` shows the run; ``--logdir outputs`` all of them."""

    def check(self) -> None:
        require("tensorboard", {"tensorboard": "tensorboard>=2.18"})

    def build(self, facts: RunFacts) -> "Logger":
        from pipeline.training.loggers.tensorboard_events import EventsLogger

        return EventsLogger(facts.folder / "logs", resumed=facts.segment > 0)
