"""Weights & Biases: online where the user is logged in, offline in the run directory otherwise."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.training.loggers.wandb_login import Mode, environment_mode, logged_in
from pipeline.training.specs import LoggerSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@component
class Wandb(LoggerSpec):
    """Curves, configuration, tables and files of a run; a sweep is a group.

    W&B cannot append to an offline run. A run that is resumed offline is therefore a new W&B run (a segment)
    in the same group, which begins where the earlier ones ended; online, the same W&B run goes on.
    """

    # null: what WANDB_MODE or `wandb offline` says; else online when logged in, offline otherwise.
    mode: Mode | None = None
    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")] = "hydratune"
    # The team or user that the project belongs to. null: the user's default.
    entity: str | None = None
    # Besides configuration, metrics and model card, upload the exported model, the predictions.
    upload_weights: bool = False
    upload_predictions: bool = False

    def chosen_mode(self) -> Mode:
        """How this run is logged, found without asking anyone and without the network."""
        return self.mode or environment_mode() or ("online" if logged_in() else "offline")

    def check(self) -> None:
        if self.chosen_mode() == "online" and not logged_in():
            raise BadInput(
                Problem(
                    where="logger.wandb.mode" if self.mode else "WANDB_MODE",
                    what="online, but nobody is logged in to Weights & Biases on this machine",
                    allowed="`wandb login` or WANDB_API_KEY first, or logger.wandb.mode=offline",
                )
            )

    def build(self, facts: RunFacts) -> "Logger | None":
        mode = self.chosen_mode()
        if mode == "disabled":
            return None
        from pipeline.training.loggers.wandb_run import WandbLogger

        return WandbLogger(self, facts, offline=mode == "offline")
