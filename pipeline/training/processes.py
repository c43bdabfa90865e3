"""How Lightning works with several processes: its strategy, and who has started them."""

from __future__ import annotations

from datetime import timedelta

from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy, Strategy

from pipeline.training.sharded_strategy import ShardedStrategy

# Messages between processes are given up so much later than the watchdog, which says more about it.
_LATER = 2.0


def strategy(world_size: int, minutes: float, *, sharded: bool) -> Strategy | str:
    """minutes: what the watchdog waits for progress."""
    if world_size == 1:
        return "auto"
    timeout = timedelta(minutes=_LATER * minutes)
    return ShardedStrategy(world_size, timeout) if sharded else DDPStrategy(timeout=timeout)


def cluster(starter: str) -> ClusterEnvironment:
    """Of a process that was started by torchrun, slurm or nobody (see :mod:`pipeline.launch.world`): Lightning would
    guess it, and take a process that is alone on a cluster for one of several. Requeueing is not Lightning's, whose
    environment of Slurm also wants `--ntasks-per-node`: those of srun have the variables of torchrun (see
    :mod:`pipeline.launch.slurm`)."""
    return TorchElasticEnvironment() if starter else LightningEnvironment()
