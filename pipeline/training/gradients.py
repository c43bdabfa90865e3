"""Gradients as they are changed between the backward pass and the optimizer's step, whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from pipeline.training.sharding import local

if TYPE_CHECKING:
    from torch import Tensor


def changeable(weights: Iterable[Tensor]) -> list[Tensor]:
    """What is there of the gradients of ``weights``, of which changes in place are changes of these.

    Of a weight that is cut over processes, this process's share; of a sparse gradient, its rows, once each.
    """
    found = []
    for weight in weights:
        if weight.grad is None:
            continue
        if weight.grad.is_sparse:
            weight.grad = weight.grad.coalesce()
            found.append(weight.grad.values())
        else:
            found.append(local(weight.grad))
    return found


def drop_gradients(groups: Iterable[Mapping[str, Any]]) -> None:
    """Of optimizer groups that are not trained yet: before gradients are clipped, so that the optimizer knows nothing
    of them.

    All processes have waited for these gradients, as DistributedDataParallel expects of every weight.
    """
    for group in groups:
        for weight in group["params"]:
            weight.grad = None


def clip_by_norm(weights: Iterable[Tensor], largest: float, over_processes: bool) -> None:
    """Scale gradients so that their norm is at most ``largest``, as :func:`torch.nn.utils.clip_grad_norm_` does
    (Pascanu et al. 2013, arXiv:1211.5063).

    over_processes: each of them holds a share of every weight.
    """
    gradients = changeable(weights)
    if not gradients:
        return
    norm = torch.nn.utils.get_total_norm(gradients)
    if over_processes:
        square = norm.float().square()
        torch.distributed.all_reduce(square)
        norm = square.sqrt()
    torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1.0))
