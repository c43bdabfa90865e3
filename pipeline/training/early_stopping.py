"""Stops a run whose monitored metric no longer improves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


@component
class EarlyStopping(CallbackSpec):
    """Lightning's EarlyStopping on the metric that also chooses the best checkpoint."""

    # Validations without improvement that end the run. null: it is never ended early.
    patience: Annotated[int, Field(ge=1)] | None = None
    # What counts as an improvement, in units of the metric.
    min_delta: Annotated[float, Field(ge=0)] = 0.0

    def unvalidated(self) -> Iterator[Problem]:
        """What is wrong with it in a run without validation data."""
        if self.patience is not None:
            yield Problem(
                where="callbacks.early_stopping.patience",
                what=f"{self.patience}, but there are no validation data to watch",
                allowed="null, or validation data (data.split.validation above 0)",
            )

    def build(self, facts: RunFacts) -> "Callback | None":
        """Raises BadInput without validation data."""
        if self.patience is None:
            return None
        if not facts.monitor:
            raise BadInput(list(self.unvalidated()))
        from pipeline.training.early_stopping_callback import EarlyStoppingCallback

        return EarlyStoppingCallback(
            monitor=facts.monitor,
            mode=facts.mode,
            patience=self.patience,
            min_delta=self.min_delta,
            # After each validation, those within an epoch included, and before checkpoints are saved.
            check_on_train_epoch_end=False,
        )
