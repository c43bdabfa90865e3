"""Callbacks and loggers of a run: those of its configuration, and those that it always has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.launch.sweeps.pruning import pruning
from pipeline.launch.world import world
from pipeline.training.checkpoint_callback import CheckpointCallback, rewind
from pipeline.training.marks import Marks
from pipeline.training.specs import RunFacts
from pipeline.training.stopping_callback import StoppingCallback

if TYPE_CHECKING:
    from pipeline.launch.work import Work


def leaves(job: Work) -> tuple[list[Any], list[Any]]:
    """Callbacks, and in the first process loggers, which know where a resumed run goes on."""
    spec, manifest = job.spec, job.run.manifest()
    facts = RunFacts(
        folder=job.run.folder,
        id=manifest["id"],
        name=spec.name,
        task=str(spec.choices["task"]),
        tags=tuple(spec.tags),
        group=manifest.get("group"),
        config=dict(spec.public),
        segment=manifest["starts"] - 1,
        total_steps=job.schedule.total_steps,
        monitor=job.schedule.monitor or "",
        mode=job.schedule.mode,
    )
    # They watch over training.
    chosen = spec.callbacks.values() if spec.train else []
    callbacks = [built for leaf in chosen if (built := leaf.build(facts)) is not None]
    if not any(isinstance(callback, CheckpointCallback) for callback in callbacks):
        callbacks.append(StoppingCallback())
    callbacks += pruning(job.run, spec, job.schedule)
    if job.machine.world_size > 1:
        callbacks = [Marks("before"), *callbacks, Marks("after")]
    if world().rank != 0:
        return callbacks, []
    loggers = [built for leaf in spec.logger.values() if (built := leaf.build(facts)) is not None]
    rewind(loggers, job.run.last_checkpoint)
    for logger in loggers:
        logger.log_hyperparams(
            {
                **spec.public,
                "parameters": {"trainable": job.prepared.trainable, "total": job.prepared.total},
                "machine": asdict(job.machine),
            }
        )
    return callbacks, loggers
