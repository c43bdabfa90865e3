"""Whether a run updates the rows of its model's embedding when they are read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pipeline.launch.world import world
from pipeline.training.optimizers import AdamW

if TYPE_CHECKING:
    from torch import nn

    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.machine import Machine
    from pipeline.launch.schedule import Schedule

# A step that reads more than this share of the rows saves nothing, nor does an embedding of fewer numbers.
_READ, _NUMBERS = 1 / 8, 4_000_000


def read_lazily(spec: RunSpec, model: Any, machine: Machine, schedule: Schedule) -> nn.Embedding | None:
    """The embedding that is updated so; None where none is. Says why, where it was asked for and cannot be."""
    from pipeline.training.lazy_rows import largest_embedding

    if not spec.train or not isinstance(spec.optimizer, AdamW) or spec.optimizer.lazy_embedding is False:
        return None
    embedding, wanted = largest_embedding(model), spec.optimizer.lazy_embedding
    why = _why_not(spec, spec.optimizer.betas, embedding, machine)
    if wanted and why is not None and world().rank == 0:
        print(f"optimizer.lazy_embedding: off, {why}", file=sys.stderr)
    if embedding is None or why is not None:
        return None
    few = schedule.tokens / schedule.total_steps < _READ * embedding.num_embeddings
    pays = few and embedding.weight.numel() >= _NUMBERS and machine.accelerator == "cpu"
    return embedding if wanted or pays else None


def _why_not(
    spec: RunSpec, betas: tuple[float, float], embedding: nn.Embedding | None, machine: Machine
) -> str | None:
    from pipeline.training.lazy_rows import fades

    if embedding is None:
        return "no embedding is trained that nothing else reads"
    if machine.world_size > 1:
        return "several processes send each other gradients of all rows"
    if any(getattr(callback, "weight_copies", 0) for callback in spec.callbacks.values()):
        return "all rows are read in every step, for an average of the weights"
    if machine.accelerator not in ("cpu", "gpu"):
        return f"not on {machine.accelerator}"
    return None if fades(betas) else f"with betas {betas} momentum does not fade"
