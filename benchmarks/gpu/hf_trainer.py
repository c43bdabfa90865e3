"""The other side: Hugging Face's Trainer as it comes, with PEFT for LoRA. It trains with nothing of this program."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
import transformers

from benchmarks.gpu.cases import Case
from benchmarks.gpu.clock import Clock


class _Timing(transformers.TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.clock.begins(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        control.should_log = state.global_step <= self.clock.warmup
        if self.clock.ended(state.global_step):
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        if "loss" in (logs or {}) and state.global_step <= self.clock.warmup:
            self.clock.losses.append(float(logs["loss"]))


class _InOrder(transformers.Trainer):
    def _get_train_sampler(self, *args: Any, **more: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def model_of(case: Case, device: torch.device) -> Any:
    """Weights that are trained in float32, as mixed precision has them; what LoRA leaves frozen in bfloat16, as these
    models are saved and therefore loaded. PEFT's adapter is in float32 by itself."""
    torch.manual_seed(0)
    with device:
        config = case.shape.config(case.length)
        model: Any = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        if case.strategy == "full":
            return model
        from peft import LoraConfig, get_peft_model

        for weight in model.parameters():  # not the buffers: transformers keeps rotary frequencies in float32
            weight.data = weight.data.bfloat16()
        return get_peft_model(
            model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear")
        )


def train(case: Case, rows: list[dict[str, list[int]]], clock: Clock, device: torch.device) -> None:
    """Trains until the clock has enough."""
    precision = torch.backends.fp32_precision
    try:
        _train(case, rows, clock, device)
    finally:
        # Trainer allows TF32 in the whole process, in a way that Lightning stumbles over when it asks.
        torch.backends.fp32_precision = precision


def _train(case: Case, rows: list[dict[str, list[int]]], clock: Clock, device: torch.device) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trainer = _InOrder(
            model=model_of(case, device),
            args=transformers.TrainingArguments(
                output_dir=folder,
                bf16=True,
                max_steps=clock.total,
                per_device_train_batch_size=case.batch,
                learning_rate=case.learning_rate,
                lr_scheduler_type="constant",
                weight_decay=0.01,
                gradient_checkpointing=case.checkpointing,
                gradient_checkpointing_kwargs={"use_reentrant": False} if case.checkpointing else None,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=device.type == "cpu",
            ),
            train_dataset=rows,
            callbacks=[_Timing(clock)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
