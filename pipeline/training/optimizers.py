"""The optimizers that are shipped. Each takes the strategy's parameter groups."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.training.specs import OptimizerSpec

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from pipeline.training.lazy_rows import LazyAdamW

Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]

# Where torch has a kernel that updates all parameters in one pass.
FUSED_DEVICES = {"cpu", "cuda", "mps", "xpu"}


@component
class AdamW(OptimizerSpec):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: Positive = 1e-8
    # One kernel for the whole update. null: wherever torch has one, the CPU included.
    fused: bool | None = None
    # Update a row of the embedding when it is read next, for all the steps since. null: on a CPU, where steps read few.
    lazy_embedding: bool | None = None

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        from torch.optim import AdamW

        return AdamW(groups, **self._options(groups))

    def build_lazily(self, groups: list[dict[str, Any]], embedding: "nn.Embedding") -> "LazyAdamW":
        """The same, which updates rows of ``embedding`` when they are read."""
        from pipeline.training.lazy_rows import LazyAdamW

        return LazyAdamW(groups, embedding, **self._options(groups))

    def _options(self, groups: list[dict[str, Any]]) -> dict[str, Any]:
        fused = has_fused_kernel(groups) if self.fused is None else self.fused
        return {
            "lr": self.lr,
            "betas": self.betas,
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "fused": fused,
        }


@component
class SGD(OptimizerSpec):
    """Stochastic gradient descent with momentum; weight decay is L2 regularisation, as in torch."""

    momentum: Decay = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: true needs a momentum above 0")
        return self

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        from torch.optim import SGD

        return SGD(
            groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, weight_decay=self.weight_decay
        )


@component
class Adafactor(OptimizerSpec):
    """Adafactor (Shazeer and Stern 2018) with a given learning rate: second moments as row and column means.

    transformers' implementation, because there ``lr`` can be absolute (``scale_parameter=False``): it then
    means what it means for AdamW, updates of about that size in each weight. torch.optim.Adafactor always
    multiplies it by the norm of the parameter, so the learning rate that suits a strategy would be too small.
    """

    # Row and column means are those of whole weights.
    shardable: ClassVar[bool] = False

    # Largest root mean square of an update before it is multiplied by the learning rate.
    clip_threshold: Positive = 1.0
    # Exponent by which the memory of squared gradients grows.
    decay_rate: Annotated[float, Field(lt=0)] = -0.8
    # First moment as in Adam, at the price of one more copy of the weights. null: none.
    beta1: Decay | None = None

    def build(self, groups: list[dict[str, Any]]) -> "Optimizer":
        from transformers.optimization import Adafactor

        return Adafactor(
            groups,
            lr=self.lr,
            clip_threshold=self.clip_threshold,
            decay_rate=self.decay_rate,
            beta1=self.beta1,
            weight_decay=self.weight_decay,
            scale_parameter=False,
            relative_step=False,
            warmup_init=False,
        )


def undo_scale_before(optimizer: "Optimizer") -> None:
    """A fused kernel can undo the loss scale of 16-bit precision itself, but then gradients would be clipped while
    they are still scaled. So the scale is undone before."""
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def set_rates(optimizer: "Optimizer") -> None:
    """Multiply each group's learning rate by the ``factor`` that its strategy gave it; before schedules read it."""
    for group in optimizer.param_groups:
        if group.get("factor") is not None:
            group["lr"] *= group["factor"]


def has_fused_kernel(groups: list[dict[str, Any]]) -> bool:
    """Whether torch's fused kernel takes every parameter of ``groups``."""
    return all(
        parameter.is_floating_point() and parameter.device.type in FUSED_DEVICES
        for group in groups
        for parameter in group["params"]
    )
