"""What a strategy sees of the training data before the first step of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pipeline.launch.work import Work


def first_look(job: Work, device: torch.device) -> None:
    """Have the strategy set its new weights by as many training examples as it asks for.

    It happens on ``device``, where the model is trained, or where a model that is cut over processes is still whole.
    """
    from pipeline.launch.work import is_sharded

    strategy, where = job.spec.strategy, torch.device("cpu") if is_sharded(job) else device
    if not strategy.looks_at:
        return
    rows, size = job.data.drawn(strategy.looks_at), job.spec.trainer.evaluation_batch_size
    inputs = [
        job.spec.task.forward_inputs(job.data.collate(rows[first : first + size])["inputs"])
        for first in range(
            0, max(1, len(rows) - len(rows) % size), size
        )  # A last one of a few rows says little.
    ]
    with torch.random.fork_rng():
        torch.manual_seed(job.spec.seed)
        strategy.start(
            job.module.model.to(where),
            [{name: value.to(where) for name, value in batch.items()} for batch in inputs],
        )
