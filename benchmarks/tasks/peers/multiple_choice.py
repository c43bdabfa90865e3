"""The right one of several continuations, as run_swag.py does it."""

from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.training import Job, fit, serve


def multiple_choice(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        contexts = [
            context
            for context, choices in zip(batch["context"], batch["choices"], strict=True)
            for _ in choices
        ]
        endings = [choice for choices in batch["choices"] for choice in choices]
        tokens = tokenizer(contexts, endings, truncation=True, max_length=job["max_length"])
        count = len(batch["choices"][0])
        grouped = {k: [v[i : i + count] for i in range(0, len(v), count)] for k, v in tokens.items()}
        return {**grouped, "label": batch["label"]}

    def accuracy(prediction: Any) -> dict[str, float]:
        right = prediction.predictions.argmax(-1) == prediction.label_ids
        return {"accuracy": float(right.mean())}

    model = transformers.AutoModelForMultipleChoice.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    collator = transformers.DataCollatorForMultipleChoice(tokenizer)
    _, scores = fit(job, model, encoded, tokenizer, compute_metrics=accuracy, data_collator=collator)
    return {"accuracy": scores["accuracy"], "loss": scores["loss"]}


if __name__ == "__main__":
    serve(multiple_choice)
