"""Logs the learning rate that each logged step was made with."""

from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.component import component
from pipeline.training.specs import CallbackSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from torch.optim import Optimizer


@component
class LearningRateMonitor(CallbackSpec):
    """``lr`` at the steps that the training log shows: every ``trainer.log_every``, and the last."""

    affects_result: ClassVar[bool] = False

    def build(self, facts: RunFacts) -> "Callback | None":
        from pipeline.training.learning_rate_callback import LearningRateCallback

        return LearningRateCallback(facts.total_steps)


def learning_rates(optimizer: "Optimizer") -> dict[str, float]:
    """Metric name -> learning rate: one ``lr`` unless the optimizer's groups have different peaks.

    Groups with a ``factor`` (None: a rate of their own) were told of in the plan: ``lr`` is what the factors are of.
    Other groups are told apart by their ``name``, or by their number. Peaks decide, not the current values, so that
    two curves stay two curves where they meet (at the end of a schedule both are zero).
    """
    groups: list[dict[str, Any]] = optimizer.param_groups
    if any("factor" in group for group in groups):
        followers = [group for group in groups if group.get("factor", 1.0) is not None]
        if followers:
            plain = min(followers, key=lambda group: "factor" in group)
            return {"lr": float(plain["lr"]) / plain.get("factor", 1.0)}
    if len({float(group.get("initial_lr", group["lr"])) for group in groups}) == 1:
        return {"lr": float(groups[0]["lr"])}
    return {f"lr/{group.get('name', number)}": float(group["lr"]) for number, group in enumerate(groups)}
