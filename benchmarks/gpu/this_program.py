"""One side: this program, as a run on a GPU trains."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.pytorch import Callback

from benchmarks.gpu.cases import Case
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.tokens import encoded
from pipeline.tasks.language.packing import Block
from pipeline.training.trainer_spec import TrainerSpec


class _Timing(Callback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.clock.begins(batch_idx)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx < self.clock.warmup:
            self.clock.losses.append(float(trainer.callback_metrics["train/loss"]))
        trainer.should_stop = self.clock.ended(batch_idx + 1)

    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        self.on_train_end(trainer, module)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        # Lightning would copy all of it to the CPU now, where nobody looks at it.
        module.model = torch.nn.Identity()
        trainer.strategy.optimizers = []


def strategy_of(case: Case) -> Any:
    from pipeline.strategies.full import Full
    from pipeline.strategies.lora import Lora

    return Full() if case.strategy == "full" else Lora(modules="all-linear")


def adapted(case: Case, device: torch.device) -> Any:
    """The model of random weights, as its strategy trains it, on the device."""
    from transformers import AutoModelForCausalLM

    from pipeline.models.loading import with_random_weights
    from pipeline.training.frozen_weights import frozen_matrices

    torch.manual_seed(0)
    with device:
        model: Any = with_random_weights(AutoModelForCausalLM, case.shape.config(case.length))
        model = strategy_of(case).adapt(model)
    # As the module does itself, with a copy of the float32 weights on the CPU, which would take longer than the rest.
    for weight in frozen_matrices(model):
        weight.data = weight.data.bfloat16()
    if case.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def data_of(case: Case, made: list[Block], settings: TrainerSpec) -> Any:
    """Batches in the order of ``made``."""
    from datasets import Dataset

    from pipeline.data.module import TextData
    from pipeline.tasks.causal_lm import CausalLM

    rows, tokenizer = Dataset.from_dict(encoded(made)), SimpleNamespace(pad_token_id=0)
    data = TextData(
        {"train": rows},
        CausalLM(max_length=case.length),
        tokenizer,
        settings,
        seed=0,
        micro_batch=None,
        workers=0,
        world_size=1,
        rank=0,
    )
    starts = range(0, len(made), case.batch)
    data.training_batches = [list(range(start, start + case.batch)) for start in starts]
    return data


def module_of(case: Case, model: Any, settings: TrainerSpec, steps: int) -> Any:
    from pipeline.strategies.base import trained_keys
    from pipeline.tasks.causal_lm import CausalLM
    from pipeline.training.module import FineTuning
    from pipeline.training.optimizers import AdamW
    from pipeline.training.schedulers import Constant

    return FineTuning(
        model,
        task=CausalLM(max_length=case.length),
        strategy=strategy_of(case),
        optimizer=AdamW(lr=case.learning_rate),
        scheduler=Constant(warmup_steps=0),
        head={},
        trained=trained_keys(model),
        total_steps=steps,
        log_every=settings.log_every,
        monitor=None,
        mode="min",
        validation_names=[],
    )


def train(case: Case, made: list[Block], clock: Clock, device: torch.device) -> None:
    """Trains until the clock has enough."""
    from pipeline.training import interruption
    from pipeline.training.processes import cluster
    from pipeline.training.trainer import build_trainer

    # Every loss is compared with the other side's.
    settings = TrainerSpec(batch_size=case.batch, max_steps=clock.total, group_by_length=False, log_every=1)
    module = module_of(case, adapted(case, device), settings, clock.total)
    with tempfile.TemporaryDirectory() as folder, interruption.listening():
        trainer = build_trainer(
            settings,
            folder=Path(folder),
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            nodes=1,
            strategy="auto",
            cluster=cluster(""),
            precision="bf16",
            accumulate=1,
            epochs=1,
            total_steps=clock.total,
            callbacks=[_Timing(clock)],
            loggers=[],
        )
        try:
            trainer.fit(module, datamodule=data_of(case, made, settings))
        finally:
            # Lightning's settings of the whole process: the other side has its own.
            torch.use_deterministic_algorithms(False)
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
