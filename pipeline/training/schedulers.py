"""The learning-rate schedules that are shipped: warmup from zero to the peak, then what the name says.

``warmup_steps`` wins over ``warmup_ratio`` where both are given. What the schedulers save holds numbers only,
and not the number of steps: a run that is resumed with more epochs follows the schedule of its new length.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.training.specs import SchedulerSpec

if TYPE_CHECKING:
    from torch.optim import Optimizer

# Lightning steps a scheduler every so many epochs. This many never pass.
NEVER = 2**62


@component
class Constant(SchedulerSpec):
    """The peak learning rate to the end."""

    def build(
        self, optimizer: "Optimizer", total_steps: int, monitor: str, mode: str
    ) -> list[dict[str, Any]]:
        return each_step(optimizer, self.warmup(total_steps), lambda step: 1.0)


@component
class Linear(SchedulerSpec):
    """Down to zero in a straight line."""

    def build(
        self, optimizer: "Optimizer", total_steps: int, monitor: str, mode: str
    ) -> list[dict[str, Any]]:
        warmup = self.warmup(total_steps)
        falling = max(1, total_steps - warmup)
        return each_step(optimizer, warmup, lambda step: max(0.0, float(total_steps - step) / falling))


@component
class Cosine(SchedulerSpec):
    """Down along half a cosine (Loshchilov and Hutter 2017, without restarts)."""

    # Where it ends, as a share of the peak.
    min_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def build(
        self, optimizer: "Optimizer", total_steps: int, monitor: str, mode: str
    ) -> list[dict[str, Any]]:
        warmup = self.warmup(total_steps)
        falling = max(1, total_steps - warmup)

        def factor(step: int) -> float:
            # Past the end it stays down: with a budget in tokens or minutes the number of steps is a guess.
            done = min(1.0, float(step - warmup) / falling)
            return self.min_ratio + (1 - self.min_ratio) * max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))

        return each_step(optimizer, warmup, factor)


@component
class Plateau(SchedulerSpec):
    """Times ``factor`` whenever the monitored metric has stopped improving.

    Lightning would look once an epoch or every so many batches, after callbacks have saved their checkpoints.
    Here every validation counts, and a checkpoint written at a validation has seen it: the training module
    calls :func:`follow_validation`.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    # Validations without improvement that are put up with.
    patience: Annotated[int, Field(ge=0)] = 1
    # What counts as an improvement, in units of the metric.
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    # The learning rate never falls below this; that of a group with a factor not below its share of it.
    min_lr: Annotated[float, Field(ge=0)] = 0.0

    def unvalidated(self) -> Iterator[Problem]:
        """What is wrong with it in a run without validation data."""
        yield Problem(
            where="scheduler",
            what="plateau follows the monitored metric, but there are no validation data",
            allowed="another schedule, or validation data (data.split.validation above 0)",
        )

    def build(
        self, optimizer: "Optimizer", total_steps: int, monitor: str, mode: str
    ) -> list[dict[str, Any]]:
        from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

        configs: list[dict[str, Any]] = []
        # A group whose rate is a share of the others' has the same share of the lowest one.
        lowest = [self.min_lr * (group.get("factor") or 1.0) for group in optimizer.param_groups]
        if warmup := self.warmup(total_steps):
            # LinearLR multiplies the current learning rate, where the other schedules' LambdaLR would set it
            # and so undo each reduction. It cannot start at zero.
            rising = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
            configs.append({"scheduler": rising, "interval": "step"})
        falling = ReduceLROnPlateau(
            optimizer,
            mode="min" if mode == "min" else "max",
            factor=self.factor,
            patience=self.patience,
            threshold=self.min_delta,
            threshold_mode="abs",
            min_lr=lowest,
            eps=0.0,  # Reductions count however small: the default ignores those of a small learning rate.
        )
        configs.append({"scheduler": falling, "interval": "epoch", "frequency": NEVER, "monitor": monitor})
        return configs


def each_step(optimizer: "Optimizer", warmup: int, factor: Callable[[int], float]) -> list[dict[str, Any]]:
    """A schedule that is a function of the optimizer step: ``factor`` of the peak once ``warmup`` is over."""
    from torch.optim.lr_scheduler import LambdaLR

    # A function, not an object: LambdaLR saves the attributes of an object.
    def of_peak(step: int) -> float:
        return float(step) / warmup if step < warmup else factor(step)

    return [{"scheduler": LambdaLR(optimizer, of_peak), "interval": "step"}]


def follow_validation(configs: Iterable[Any], metrics: Mapping[str, Any]) -> None:
    """Tell the schedulers that follow a metric what a validation gave; once for each validation of a fit.

    configs: ``trainer.lr_scheduler_configs``. metrics: name -> scalar. Call it before checkpoints are saved
    (in ``on_validation_epoch_end``), not in the sanity check. Raises BadInput for a metric that is not there.
    """
    for config in configs:
        if not config.reduce_on_plateau:
            continue
        if config.monitor not in metrics:
            raise BadInput(
                Problem(
                    where="trainer.monitor",
                    what=f"there is no metric {config.monitor!r} for scheduler=plateau to follow",
                    allowed=listing(metrics),
                    nearest=nearest(config.monitor, metrics),
                )
            )
        config.scheduler.step(float(metrics[config.monitor]))
