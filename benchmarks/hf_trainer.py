"""The other side: one run of Hugging Face's Trainer (and PEFT), as a user would write it.

    python -m benchmarks.hf_trainer JOB.json RESULT.json

Nothing here imports this repository's package. The job holds raw rows, a checkpoint folder and
hyperparameters (:class:`benchmarks.jobs.Job`); the result scores, counts and a hash of every split's rows.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import DatasetDict

from benchmarks.rows import hashes_of_rows


def main(job_file: str, result_file: str) -> None:
    job = json.loads(Path(job_file).read_text())
    transformers.logging.set_verbosity_error()
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    raw = DatasetDict.load_from_disk(job["rows"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["checkpoint"])
    encoded = encode(raw, tokenizer, job)
    transformers.set_seed(job["seed"])
    model = build_model(job)
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=model,
            args=arguments(job, folder),
            train_dataset=encoded["train"],
            eval_dataset=encoded["validation"],
            processing_class=tokenizer,
            compute_metrics=accuracy,
        )
        trainer.train()
        test = trainer.evaluate(encoded["test"], metric_key_prefix="test")
        validation = [row["eval_accuracy"] for row in trainer.state.log_history if "eval_accuracy" in row]
        trainer.save_model(f"{folder}/model")
    result = {
        "accuracy": test["test_accuracy"],
        "validation_accuracy": max(validation),
        "steps": trainer.state.global_step,
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "rows": hashes_of_rows(raw),
    }
    Path(result_file).write_text(json.dumps(result))


def encode(raw: DatasetDict, tokenizer: Any, job: dict[str, Any]) -> DatasetDict:
    """Token numbers and class numbers of every split."""
    numbers = {str(label): number for number, label in enumerate(job["labels"])}

    def rows(batch: dict[str, list[Any]]) -> dict[str, Any]:
        tokens = tokenizer(batch["text"], truncation=True, max_length=job["max_length"])
        lengths = [len(ids) for ids in tokens["input_ids"]]
        return {**tokens, "length": lengths, "labels": [numbers[str(label)] for label in batch["label"]]}

    return raw.map(rows, batched=True, remove_columns=raw["train"].column_names, load_from_cache_file=False)


def build_model(job: dict[str, Any]) -> Any:
    """The checkpoint with a new head, of which the strategy's part is trained."""
    names = [str(label) for label in job["labels"]]
    model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["checkpoint"],
        dtype=torch.float32,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    if job["strategy"] == "frozen_backbone":
        model.base_model.requires_grad_(False)
    if job["strategy"] == "lora":
        from peft import LoraConfig, TaskType, get_peft_model

        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **job["lora"]))
    return model


def arguments(job: dict[str, Any], folder: str) -> transformers.TrainingArguments:
    return transformers.TrainingArguments(
        output_dir=folder,
        seed=job["seed"],
        max_steps=job["steps"],
        per_device_train_batch_size=job["batch_size"],
        per_device_eval_batch_size=job["evaluation_batch_size"],
        train_sampling_strategy="group_by_length" if job["group_by_length"] else "random",
        bf16=job["bf16"],
        optim="adamw_torch_fused",
        learning_rate=job["lr"],
        weight_decay=job["weight_decay"],
        adam_beta1=job["betas"][0],
        adam_beta2=job["betas"][1],
        adam_epsilon=job["eps"],
        max_grad_norm=job["gradient_clip"],
        lr_scheduler_type="linear",
        warmup_steps=job["warmup_steps"],
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


if __name__ == "__main__":
    main(*sys.argv[1:])
