"""Training that leaves the finite numbers: what it goes on to is worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pipeline.errors import Diverged
from pipeline.training.sharding import local

if TYPE_CHECKING:
    from pipeline.training.module import FineTuning


def check_weights(module: FineTuning) -> None:
    """Raise Diverged unless every trained weight is a finite number. Waits for the GPU."""
    weights = [local(weight) for weight in module.parameters() if weight.requires_grad]
    finite = bool(torch.stack([weight.isfinite().all() for weight in weights]).all())
    if module.sharding is not None:  # Each has looked at its share.
        finite = module.trainer.strategy.reduce_boolean_decision(finite, all=True)
    if not finite:
        raise diverged(module, "weights are not finite", module.trainer.global_step)


def diverged(module: FineTuning, what: str, step: int) -> Diverged:
    """``what`` was found at ``step``, and what to do."""
    clip = module.trainer.gradient_clip_val or "null"
    return Diverged(
        f"{what} at step {step}: try a lower optimizer.lr (now {getattr(module.optimizer_spec, 'lr', '?')}), "
        f"more scheduler.warmup_ratio, or trainer.gradient_clip (now {clip})"
    )
