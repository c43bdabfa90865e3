"""Lightning's strategy for models that are cut over processes, with checkpoints that do not show it.

A checkpoint holds whole weights and whole optimizer states, as that of one process does: a run goes on with another
`hardware.sharding`, and `best` is read by everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from torch.optim import Optimizer

from pipeline.training.sharding import cut_like, whole_state, whole_weights


class ShardedStrategy(ModelParallelStrategy):
    """world_size: processes, all of which share one copy of the model. timeout: of what they send each other."""

    def __init__(self, world_size: int, timeout: timedelta) -> None:
        super().__init__(
            data_parallel_size=world_size,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            timeout=timeout,
        )

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Whole weights. Of all processes at once."""
        assert self.lightning_module is not None
        return whole_weights(self.lightning_module)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        return whole_state(optimizer.state_dict())

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        return Strategy.load_checkpoint(self, checkpoint_path, weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        assert self.lightning_module is not None
        self.lightning_module.load_state_dict(checkpoint["state_dict"], strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        for optimizer, given in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            state = {
                number: {name: cut_like(value, weights[number]) for name, value in values.items()}
                for number, values in given["state"].items()
            }
            optimizer.load_state_dict({**given, "state": state})
