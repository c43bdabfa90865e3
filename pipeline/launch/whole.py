"""The end of a run whose model is cut over processes: the first process has all of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.launch.world import world
from pipeline.training.sharding import whole_weights

if TYPE_CHECKING:
    from pipeline.launch.work import Work


def make_whole(job: Work) -> None:
    """Gather what was trained, and put it into the model as it was loaded: nothing but that is sent. Of all processes
    at once; in the others the model stays cut."""
    if job.module.sharding is None:
        return
    from lightning.pytorch import seed_everything

    state = whole_weights(job.module)
    if world().rank != 0:
        return
    spec, prepared = job.spec, job.prepared
    seed_everything(spec.seed, verbose=False)  # Of new weights that are not trained.
    model, _ = spec.task.load(spec.model, prepared.checkpoint["folder"], prepared.head)
    job.module.model, job.module.sharding = spec.strategy.adapt(model), None
    job.module.load_state_dict(state)
