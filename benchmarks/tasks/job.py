"""One comparison's settings, read from this program's own configuration so that both sides get the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TaskJob:
    """What a peer needs. Plain JSON.

    rows: folder of the raw splits, as `datasets` saves them, with columns named by their roles. checkpoint: folder of
    the pretrained model. task: the task's own settings. head: what was learned of the labels.
    steps, warmup_steps: optimizer steps. monitor: the validation metric that chooses the checkpoint.
    accelerator: cpu or gpu. precision: 32 or bf16.
    """

    pair: str
    seed: int
    rows: str
    checkpoint: str
    task: dict[str, Any]
    head: dict[str, Any]
    max_length: int
    steps: int
    steps_per_epoch: int
    warmup_steps: int
    lr: float
    weight_decay: float
    betas: tuple[float, float]
    eps: float
    batch_size: int
    evaluation_batch_size: int
    gradient_clip: float
    monitor: str
    greater_is_better: bool
    accelerator: str
    precision: str
    threads: int | None


def job_of(pair: str, overrides: list[str]) -> TaskJob:
    """The settings that `python -m pipeline.train` has with these overrides. Prepares the data if need be."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.launch.ready import get_ready
    from pipeline.training.optimizers import AdamW
    from pipeline.training.schedulers import Linear

    spec = load(compose(overrides))
    ready = get_ready(spec)
    optimizer, scheduler = spec.optimizer, spec.scheduler
    assert isinstance(optimizer, AdamW) and isinstance(scheduler, Linear)
    assert spec.trainer.gradient_clip is not None and ready.schedule.monitor is not None
    folder = ready.prepared.checkpoint["folder"]
    return TaskJob(
        pair=pair,
        seed=spec.seed,
        rows=str(Path(ready.prepared.folder) / "raw"),
        checkpoint=folder,
        task={key: value for key, value in spec.config["task"].items() if not key.startswith("_")},
        head=ready.prepared.head,
        max_length=min(spec.task.max_length or 512, spec.model.tokenizer(folder).model_max_length),
        steps=ready.schedule.total_steps,
        steps_per_epoch=ready.schedule.steps_per_epoch,
        warmup_steps=scheduler.warmup(ready.schedule.total_steps),
        lr=optimizer.lr,
        weight_decay=optimizer.weight_decay,
        betas=optimizer.betas,
        eps=optimizer.eps,
        batch_size=spec.trainer.batch_size,
        evaluation_batch_size=spec.trainer.evaluation_batch_size,
        gradient_clip=spec.trainer.gradient_clip,
        monitor=ready.schedule.monitor.partition("/")[2],
        greater_is_better=ready.schedule.mode == "max",
        accelerator=spec.hardware.accelerator,
        precision=spec.hardware.precision,
        threads=spec.hardware.threads,
    )
