"""A class for a text, as run_glue.py does it, scored by accuracy."""

from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.training import Job, fit, serve


def text_classification(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    names = sorted(set(raw["train"]["label"]))
    numbers = {name: number for number, name in enumerate(names)}

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        tokens = tokenizer(batch["text"], truncation=True, max_length=job["max_length"])
        return {**tokens, "labels": [numbers[name] for name in batch["label"]]}

    def accuracy(prediction: Any) -> dict[str, float]:
        right = prediction.predictions.argmax(-1) == prediction.label_ids
        return {"accuracy": float(right.mean())}

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["checkpoint"], id2label=dict(enumerate(names)), label2id=numbers, dtype=torch.float32
    )
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    _, scores = fit(job, model, encoded, tokenizer, compute_metrics=accuracy)
    return {"accuracy": scores["accuracy"]}


if __name__ == "__main__":
    serve(text_classification)
