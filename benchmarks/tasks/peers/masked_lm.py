"""Masked tokens, as run_mlm.py does it: all texts in a row, cut into blocks, 15 % masked anew every time."""

from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.causal_lm import grouped
from benchmarks.tasks.peers.training import Job, fit, serve

DRAWS = 4


def masked_lm(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    model = transformers.AutoModelForMaskedLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = grouped(raw, tokenizer, job["max_length"], end=None).remove_columns("labels")
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    trainer, _ = fit(job, model, encoded, tokenizer, data_collator=collator, test=False)
    rows = list(encoded["test"])
    size = job["evaluation_batch_size"]
    batches = [rows[start : start + size] for start in range(0, len(rows), size)] * DRAWS
    model = trainer.model.eval()
    return {"loss": masked_loss(model, [collator(batch).to(model.device) for batch in batches])}


def masked_loss(model: Any, batches: list[dict[str, torch.Tensor]]) -> float:
    """Nats for each masked token, over all of the batches together (Trainer means over batches)."""
    nats = tokens = 0.0
    for batch in batches:
        chosen = batch["labels"] != -100
        with torch.inference_mode():
            logits = model(input_ids=batch["input_ids"]).logits[chosen]
        nats += torch.nn.functional.cross_entropy(logits, batch["labels"][chosen], reduction="sum").item()
        tokens += chosen.sum().item()
    return nats / tokens


if __name__ == "__main__":
    serve(masked_lm)
