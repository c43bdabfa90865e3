"""Masked tokens, as run_mlm.py does it: all texts in a row, cut into blocks, 15 % masked anew every time."""

from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.causal_lm import grouped
from benchmarks.tasks.peers.training import Job, fit, serve


def masked_lm(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    model = transformers.AutoModelForMaskedLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = grouped(raw, tokenizer, job["max_length"], end=None)
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    _, scores = fit(job, model, encoded, tokenizer, data_collator=collator)
    return {"loss": scores["loss"]}


if __name__ == "__main__":
    serve(masked_lm)
