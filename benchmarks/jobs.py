"""One comparison's settings, read from this program's own configuration so that both sides get the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """What :mod:`benchmarks.hf_trainer` needs. Plain JSON.

    rows: folder of the raw splits, as `datasets` saves them. checkpoint: folder of the pretrained model.
    labels: in the order of the classes. steps, warmup_steps: optimizer steps.
    lora: arguments of PEFT's LoraConfig; None for other strategies. bf16: arithmetic in that precision.
    """

    strategy: str
    seed: int
    rows: str
    checkpoint: str
    labels: list[Any]
    max_length: int
    steps: int
    warmup_steps: int
    lr: float
    weight_decay: float
    betas: tuple[float, float]
    eps: float
    batch_size: int
    evaluation_batch_size: int
    group_by_length: bool
    gradient_clip: float
    threads: int | None
    lora: dict[str, Any] | None
    bf16: bool = False


def overrides(strategy: str, seed: int, rows: int | None, threads: int | None) -> list[str]:
    """What a run of the comparison is started with; everything else is the program's default.

    float32 on the CPU, because `auto` would be bf16 on some machines and Trainer's default is float32. The head is that
    of transformers, which Trainer's side has too, and learns as fast as the rest, as everything does in Trainer.
    """
    chosen = ["model=bert", f"strategy={strategy}", "task.pooling=null", f"seed={seed}", "logger=none"]
    chosen += ["hardware=cpu", "hardware.precision=32"]
    chosen += ["strategy.head_rate=1"] if strategy in ("full", "lora") else []
    chosen += ["strategy.learning_rate=5e-5"] if strategy == "full" else []
    chosen += [f"data.limit={rows}"] if rows else []
    return chosen + ([f"hardware.threads={threads}"] if threads else [])


def job_of(given: list[str]) -> Job:
    """The settings that `python -m pipeline.train` has with these overrides. Prepares the data if need be."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.launch.ready import get_ready
    from pipeline.strategies.lora import Lora
    from pipeline.tasks.encoding import longest_input
    from pipeline.tasks.text_classification import DEFAULT_LENGTH, TextClassification
    from pipeline.training.optimizers import AdamW
    from pipeline.training.schedulers import Linear

    spec = load(compose(given))
    ready = get_ready(spec)
    task, optimizer, scheduler, strategy = spec.task, spec.optimizer, spec.scheduler, spec.strategy
    assert isinstance(task, TextClassification) and isinstance(optimizer, AdamW)
    assert isinstance(scheduler, Linear) and spec.trainer.gradient_clip is not None
    folder = ready.prepared.checkpoint["folder"]
    limit = longest_input(spec.model.tokenizer(folder), task.max_length, DEFAULT_LENGTH, pair=False)
    lora: dict[str, Any] | None = None
    if isinstance(strategy, Lora):
        lora = {"target_modules": strategy.modules, "r": strategy.r}
        lora |= {"lora_alpha": strategy.alpha, "lora_dropout": strategy.dropout}
    return Job(
        strategy=str(spec.choices["strategy"]),
        seed=spec.seed,
        rows=str(Path(ready.prepared.folder) / "raw"),
        checkpoint=folder,
        labels=ready.prepared.head["labels"],
        max_length=limit,
        steps=ready.schedule.total_steps,
        warmup_steps=scheduler.warmup(ready.schedule.total_steps),
        lr=optimizer.lr,
        weight_decay=optimizer.weight_decay,
        betas=optimizer.betas,
        eps=optimizer.eps,
        batch_size=spec.trainer.batch_size,
        evaluation_batch_size=spec.trainer.evaluation_batch_size,
        group_by_length=spec.trainer.group_by_length,
        gradient_clip=spec.trainer.gradient_clip,
        threads=spec.hardware.threads,
        lora=lora,
        bf16=ready.machine.precision == "bf16",
    )
