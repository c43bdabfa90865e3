"""Lightning's Trainer for one run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import ClusterEnvironment
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, SimpleProfiler
from lightning.pytorch.strategies import Strategy

from pipeline.training.checkpoint_files import WholeFiles
from pipeline.training.every_steps import NEVER, EverySteps

if TYPE_CHECKING:
    from pipeline.training.trainer_spec import TrainerSpec

_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

# Lightning advice that this program has already followed, or that does not apply to it.
_SETTLED = (
    ".*does not have many workers.*",
    ".*is not resumable.*",
    ".*in eval mode at the start.*",
    ".*litlogger.*",
    ".*sync_dist=True.*",
    ".*`srun` command is available.*",
    ".*is_gradient_checkpointing.*",
    ".*is smaller than the logging interval.*",
    ".*IterableDataset. has `__len__` defined.*",
    ".*lr_scheduler.step.*before.*optimizer.step.*",
    ".*across ranks is zero.*",
    ".*Position ids are not supported for parameter efficient tuning.*",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
)


def build_trainer(
    settings: TrainerSpec,
    *,
    folder: Path,
    accelerator: str,
    devices: int,
    nodes: int,
    strategy: Strategy | str,
    cluster: ClusterEnvironment,
    precision: str,
    accumulate: int,
    epochs: int,
    total_steps: int,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
) -> Trainer:
    """Everything that the run's numbers depend on is decided by the caller, nothing by Lightning's defaults."""
    for message in _SETTLED:
        warnings.filterwarnings("ignore", message)
    # What makes torch deterministic also fills all new memory with NaN, to show up who reads it unwritten: at a price.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    every = settings.evaluate_every
    by_steps = every != "epoch"
    return Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        precision=_PRECISION[precision],  # type: ignore[arg-type]
        plugins=[WholeFiles(), cluster],
        max_epochs=epochs,
        max_steps=total_steps,
        max_time=timedelta(minutes=settings.max_minutes) if settings.max_minutes else None,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=settings.gradient_clip,
        val_check_interval=NEVER if by_steps else 1.0,
        check_val_every_n_epoch=None if by_steps else 1,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, EverySteps(int(every))] if by_steps else list(callbacks),
        logger=list(loggers),
        log_every_n_steps=1,
        deterministic="warn" if settings.deterministic else None,
        profiler=_profiler(settings.profiler, folder / "logs"),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=str(folder),
    )


def _profiler(kind: str | None, folder: Path) -> Profiler | None:
    """Reports are written to `folder`; on a terminal they would drown the result."""
    if kind is None:
        return None
    return {"simple": SimpleProfiler, "advanced": AdvancedProfiler}[kind](dirpath=folder, filename="profile")
