"""A model that is cut over processes: each holds a share of every weight, of its gradient and of its optimizer state.

Fully sharded data parallelism (Rajbhandari et al. 2020, arXiv:1910.02054, stage 3; Zhao et al. 2023, arXiv:2304.11277),
as torch has it for single weights (FSDP2). Weights of a layer are gathered for its forward and its backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Sharding:
    """layers: modules whose weights are gathered together, one after another; the rest of the model is gathered at
    once. precision: 32 or bf16, of gathered weights and of the arithmetic; the shares stay in float32, and so do sums
    of gradients."""

    layers: list[nn.Module]
    precision: str

    def cut(self, model: nn.Module, mesh: DeviceMesh) -> None:
        """Cut `model` over the processes of `mesh`, once."""
        from torch.distributed.fsdp import (
            FSDPModule,
            MixedPrecisionPolicy,
            fully_shard,
            register_fsdp_forward_method,
        )

        if isinstance(model, FSDPModule):
            return
        lower = torch.bfloat16 if self.precision == "bf16" else None
        sums = torch.float32 if lower else None
        inside = MixedPrecisionPolicy(param_dtype=lower, reduce_dtype=sums)
        for layer in self.layers:
            fully_shard(layer, mesh=mesh, mp_policy=inside)
        whole = MixedPrecisionPolicy(param_dtype=lower, reduce_dtype=sums, output_dtype=sums)
        fully_shard(model, mesh=mesh, mp_policy=whole)
        # Writing calls an encoder by itself, and goes on until all processes have written.
        for part in model.modules():
            if hasattr(part, "generate"):
                part._is_fsdp_managed_module = True  # type: ignore[assignment]
        if hasattr(model, "generate"):
            register_fsdp_forward_method(model, "generate")


def is_cut(tensor: Any) -> bool:
    """Whether it is a DTensor; asked so that a run of one process need not import what makes them."""
    return hasattr(tensor, "device_mesh")


def local(tensor: Any) -> Tensor:
    """This process's share, of which changes in place are changes of `tensor`."""
    return tensor.to_local() if is_cut(tensor) else tensor


def whole(tensor: Any) -> Tensor:
    """All of it, on the CPU. Of all processes at once."""
    return tensor.full_tensor().cpu() if is_cut(tensor) else tensor


def whole_weights(module: nn.Module) -> dict[str, Any]:
    """The state dict of `module` with nothing cut; what is tied stays one tensor. Of all processes at once."""
    first: dict[int, str] = {}
    owners = {
        name: first.setdefault(id(weight), name)
        for name, weight in module.named_parameters(remove_duplicate=False)
    }
    gathered: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        owner = owners.get(name, name)
        gathered[name] = gathered[owner] if owner in gathered else whole(value)
    return gathered


def whole_state(state: Any) -> Any:
    """A state dict with nothing cut. Of all processes at once."""
    if isinstance(state, Mapping):
        return {key: whole_state(value) for key, value in state.items()}
    return whole(state) if isinstance(state, torch.Tensor) else state


def cut_like(tensor: Tensor, like: Any) -> Tensor:
    """A whole tensor, which every process has, cut as `like` is."""
    if not is_cut(like) or is_cut(tensor) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    # Nobody sends anything: each takes its share of what it has.
    there = tensor.to(like.device_mesh.device_type)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)
