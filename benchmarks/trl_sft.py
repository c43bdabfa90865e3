"""The other side: instruction tuning with TRL's SFTTrainer, as a user would write it.

    python -m benchmarks.trl_sft JOB.json RESULT.json

Nothing here imports this repository's package. Rows of prompts and responses in TRL's form, the chat template of the
checkpoint, learned from the responses alone, as TRL does with such rows by itself. The model is left in the job's
`output`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from trl import SFTConfig, SFTTrainer


def main(job_file: str, result_file: str) -> None:
    job = json.loads(Path(job_file).read_text())
    transformers.logging.set_verbosity_error()
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    transformers.set_seed(job["seed"])
    model = transformers.AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    trainer = SFTTrainer(
        model=model,
        args=arguments(job),
        train_dataset=conversations(Path(job["train"])),
        processing_class=transformers.AutoTokenizer.from_pretrained(job["checkpoint"]),
    )
    trainer.train()
    trainer.save_model(job["output"])
    Path(result_file).write_text(json.dumps({"steps": trainer.state.global_step}))


def conversations(file: Path) -> Dataset:
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["response"]}],
            }
            for row in rows
        ]
    )


def arguments(job: dict[str, Any]) -> SFTConfig:
    """As it comes but for what both sides share; packed also without computing activations again, which TRL does."""
    batch = {"per_device_train_batch_size": job["rows_per_step"]}
    if job["packing"]:
        batch = {"per_device_train_batch_size": 1, "packing": True, "gradient_checkpointing": False}
    return SFTConfig(
        output_dir=f"{job['output']}-checkpoints",
        seed=job["seed"],
        num_train_epochs=job["epochs"],
        max_length=job["max_length"],
        learning_rate=job["lr"],
        lr_scheduler_type="linear",
        warmup_steps=0,
        weight_decay=job["weight_decay"],
        max_grad_norm=1.0,
        bf16=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **batch,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
