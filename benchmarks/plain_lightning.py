"""Another side: the same run with PyTorch Lightning and transformers, as one would write it without a pipeline.

    python -m benchmarks.plain_lightning JOB.json RESULT.json

As :mod:`benchmarks.hf_trainer`, of which it takes what reads rows and builds the model; nothing here imports this
repository's package. Shuffled batches padded to their longest text, float32, the best epoch by validation accuracy.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import transformers
from datasets import DatasetDict
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from benchmarks.hf_trainer import build_model, encode
from benchmarks.rows import hashes_of_rows


class Classifier(pl.LightningModule):
    def __init__(self, model: torch.nn.Module, job: dict[str, Any]) -> None:
        super().__init__()
        self.model, self.job = model, job
        self.right: list[torch.Tensor] = []

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        return self.model(**batch).loss

    def validation_step(self, batch: dict[str, torch.Tensor], _: int) -> None:
        labels = batch.pop("labels")
        self.right.append(self.model(**batch).logits.argmax(-1) == labels)

    def on_validation_epoch_end(self) -> None:
        self.log("accuracy", torch.cat(self.right).float().mean())
        self.right.clear()

    test_step, on_test_epoch_end = validation_step, on_validation_epoch_end

    def configure_optimizers(self) -> Any:
        job = self.job
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in self.parameters() if p.requires_grad and p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": job["weight_decay"]},
            {"params": plain, "weight_decay": 0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=job["lr"], betas=job["betas"], eps=job["eps"])
        schedule = transformers.get_linear_schedule_with_warmup(optimizer, job["warmup_steps"], job["steps"])
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def main(job_file: str, result_file: str) -> None:
    job = json.loads(Path(job_file).read_text())
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    raw = DatasetDict.load_from_disk(job["rows"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["checkpoint"])
    encoded = encode(raw, tokenizer, job).remove_columns("length")
    pl.seed_everything(job["seed"])
    collate = transformers.DataCollatorWithPadding(tokenizer)

    def batches(split: str, size: int, shuffle: bool = False) -> Any:
        return DataLoader(encoded[split], size, shuffle=shuffle, collate_fn=collate)

    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="accuracy", mode="max", save_weights_only=True)
        trainer = pl.Trainer(
            max_steps=job["steps"],
            accelerator="cpu",
            gradient_clip_val=job["gradient_clip"],
            callbacks=[best],
            logger=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
        )
        module = Classifier(build_model(job), job)
        validation = batches("validation", job["evaluation_batch_size"])
        trainer.fit(module, batches("train", job["batch_size"], shuffle=True), validation)
        module.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
        (test,) = trainer.test(module, batches("test", job["evaluation_batch_size"]), verbose=False)
        module.model.save_pretrained(f"{folder}/model")
        tokenizer.save_pretrained(f"{folder}/model")
    result = {
        "accuracy": test["accuracy"],
        "validation_accuracy": float(best.best_model_score),
        "steps": trainer.global_step,
        "trainable": sum(p.numel() for p in module.model.parameters() if p.requires_grad),
        "rows": hashes_of_rows(raw),
    }
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
