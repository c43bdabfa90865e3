"""What every peer shares: the job, Trainer with the job's settings, and the result."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import DatasetDict

Job = dict[str, Any]


def serve(peer: Callable[[Job, DatasetDict, Any], dict[str, float]]) -> None:
    """Run a peer as ``python -m MODULE JOB.json RESULT.json``. It gets job, raw splits and tokenizer."""
    job = json.loads(Path(sys.argv[1]).read_text())
    transformers.logging.set_verbosity_error()
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["checkpoint"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    transformers.set_seed(job["seed"])
    scores = peer(job, DatasetDict.load_from_disk(job["rows"]), tokenizer)
    Path(sys.argv[2]).write_text(json.dumps({name: float(value) for name, value in scores.items()}))


def arguments(job: Job, folder: str, **more: Any) -> dict[str, Any]:
    """TrainingArguments, as the example scripts of transformers would be called."""
    return {
        "output_dir": folder,
        "seed": job["seed"],
        "max_steps": job["steps"],
        "per_device_train_batch_size": job["batch_size"],
        "per_device_eval_batch_size": job["evaluation_batch_size"],
        "learning_rate": job["lr"],
        "weight_decay": job["weight_decay"],
        "adam_beta1": job["betas"][0],
        "adam_beta2": job["betas"][1],
        "adam_epsilon": job["eps"],
        "max_grad_norm": job["gradient_clip"],
        "lr_scheduler_type": "linear",
        "warmup_steps": job["warmup_steps"],
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "save_only_model": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": job["monitor"],
        "greater_is_better": job["greater_is_better"],
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": job["accelerator"] == "cpu",
        "bf16": job["precision"] == "bf16",
        **more,
    }


def fit(
    job: Job, model: Any, encoded: Any, tokenizer: Any, *, test: bool = True, **options: Any
) -> tuple[transformers.Trainer, dict[str, float]]:
    """Train, and score the best checkpoint on the test rows, unless the peer does that. options: for Trainer."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(**arguments(job, folder)),
            train_dataset=encoded["train"],
            eval_dataset=encoded["validation"],
            processing_class=tokenizer,
            **options,
        )
        trainer.train()
        scores = trainer.evaluate(encoded["test"], metric_key_prefix="test") if test else {}
    assert trainer.state.global_step == job["steps"], trainer.state.global_step
    return trainer, {name.removeprefix("test_"): value for name, value in scores.items()}
