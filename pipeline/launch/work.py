"""The work of a run, in one process: model, data, training, best checkpoint, test."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.data.prepare import Prepared, prepare
from pipeline.errors import BadInput, Problem
from pipeline.launch.blame import is_lost
from pipeline.launch.machine import Machine, resolve
from pipeline.launch.schedule import Schedule, schedule
from pipeline.launch.world import world
from pipeline.runs.directory import FAILED, FINISHED, INTERRUPTED, PRUNED, RUNNING, TRAINED, RunDirectory
from pipeline.runs.environment import environment
from pipeline.runs.garbage import settle

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.module import TextData
    from pipeline.training.module import FineTuning


@dataclass(frozen=True)
class Work:
    """What one process of a run works with."""

    run: RunDirectory
    spec: RunSpec
    prepared: Prepared
    machine: Machine
    schedule: Schedule
    module: FineTuning
    data: TextData


def rank() -> int:
    return world().rank


def work(run: RunDirectory, spec: RunSpec) -> dict[str, Any]:
    """Bring a frozen run from wherever it stands to its end; the content of metrics.json.

    Raises Pruned where a search ends the run, Interrupted when it was asked to stop (a checkpoint to go on from is
    written), and whatever went wrong otherwise; all are recorded in the manifest.
    """
    from pipeline.errors import Interrupted, Pruned
    from pipeline.training import interruption

    if rank() != 0:
        with interruption.listening():
            return _work(run, spec)
    with run.working(), interruption.listening():
        manifest = run.manifest()
        if manifest["state"] == FINISHED:
            return run.metrics()
        if manifest["starts"]:
            _warn_of_changes(manifest["environment"]["packages"], environment()["packages"])
        trained = _trained(run)
        known = {"state": RUNNING} if trained is None else {"state": TRAINED, "trained": trained}
        run.update(**known, starts=manifest["starts"] + 1, error=None, environment=environment())
        try:
            return _work(run, spec)
        except (Interrupted, KeyboardInterrupt):
            run.update(state=INTERRUPTED)
            raise
        except Pruned as pruned:
            run.update(state=PRUNED, pruned={"step": pruned.step, "why": pruned.why})
            raise
        except BaseException as error:
            # That another process has gone is not why the run ended, which is for whoever started them to say; where
            # that one has gone itself, the run was cut off.
            if world().size == 1 or not is_lost(error):
                run.update(state=FAILED, error=f"{type(error).__name__}: {error}")
            raise


def _warn_of_changes(before: dict[str, str | None], now: dict[str, str | None]) -> None:
    """Versions are no part of a run's identity, but its numbers can depend on them."""
    for name, version in now.items():
        if before.get(name) != version:
            print(
                f"warning: the run started with {name} {before.get(name)}, now it is {version}",
                file=sys.stderr,
            )


def _work(run: RunDirectory, spec: RunSpec) -> dict[str, Any]:
    from pipeline.launch.build import build
    from pipeline.launch.finish import finish
    from pipeline.launch.leaves import leaves
    from pipeline.training.processes import cluster, strategy
    from pipeline.training.trainer import build_trainer
    from pipeline.training.watchdog import mark

    machine = resolve(run, spec.hardware)
    prepared = _prepared(run, spec)
    plan = schedule(spec, prepared, machine)
    _set_up_process(spec, machine)
    settle()  # Before there is a model, which would never be freed in a chain of stages.
    job = build(run, spec, prepared, machine, plan)
    # The first: what the frozen part hands on, which build stores, takes as long as it takes.
    mark("model and data are there")
    callbacks, loggers = leaves(job)
    trainer = build_trainer(
        spec.trainer,
        folder=run.folder,
        accelerator=machine.accelerator,
        devices=machine.local_size,
        nodes=machine.nodes,
        strategy=strategy(machine.world_size, spec.hardware.timeout, sharded=is_sharded(job)),
        cluster=cluster(world().starter),
        # A sharded module computes in lower precision by itself, with weights that are gathered in it.
        precision="32" if is_sharded(job) else machine.precision,
        accumulate=plan.accumulate,
        epochs=plan.epochs,
        total_steps=plan.total_steps,
        callbacks=callbacks,
        loggers=loggers,
    )
    job.module.ended = _trained(run)
    if spec.train and job.module.ended is None:
        _fit(job, trainer)
        trainer.strategy.barrier("trained")
        if rank() == 0 and run.best_checkpoint.exists():
            run.update(state=TRAINED, trained={"step": trainer.global_step, "epoch": trainer.current_epoch})
    return finish(job, trainer)


def _trained(run: RunDirectory) -> dict[str, int] | None:
    """At which step and epoch the run's training ended; None where it has not."""
    if not run.is_trained:
        return None
    if (known := run.manifest().get("trained")) is not None:
        return known
    import torch

    ended = run.last_checkpoint if run.last_checkpoint.exists() else run.best_checkpoint
    checkpoint = torch.load(ended, map_location="cpu", weights_only=True)
    return {"step": checkpoint["global_step"], "epoch": checkpoint["epoch"]}


def _prepared(run: RunDirectory, spec: RunSpec) -> Prepared:
    """What was prepared when the run was frozen; made again where the cache has lost it."""
    frozen = {k: v for k, v in run.manifest()["prepared"].items() if k != "_target_"}
    prepared = Prepared(**frozen)
    if os.path.isdir(prepared.folder) and os.path.isdir(prepared.checkpoint["folder"]):  # noqa: PTH112
        return prepared
    again = prepare(
        task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy, train=spec.train
    )
    for what, before, now in (
        ("data", prepared.data_fingerprint, again.data_fingerprint),
        ("model.checkpoint", prepared.checkpoint["fingerprint"], again.checkpoint["fingerprint"]),
    ):
        if before != now:
            raise BadInput(
                Problem(what, f"has changed since {run.folder} was frozen", "the same content, or a new run")
            )
    return again


def _set_up_process(spec: RunSpec, machine: Machine) -> None:
    import torch
    import transformers
    from lightning.pytorch import seed_everything

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", ".*torch.*deterministic.*")
    torch.set_num_threads(machine.threads)
    if machine.accelerator == "gpu":
        torch.cuda.set_device(world().local_rank)
    seed_everything(spec.seed, verbose=False)


def is_sharded(job: Work) -> bool:
    """Whether every process holds a share of the model."""
    return job.module.sharding is not None


def _fit(job: Work, trainer: Any) -> None:
    from pipeline.launch.first_look import first_look

    last = job.run.last_checkpoint
    if last.exists():
        trainer.fit(job.module, datamodule=job.data, ckpt_path=str(last), weights_only=True)
        return
    first_look(job, trainer.strategy.root_device)
    if job.spec.trainer.evaluate_first and job.data.validation_names:
        trainer.validate(job.module, datamodule=job.data, verbose=False)
    trainer.fit(job.module, datamodule=job.data)
