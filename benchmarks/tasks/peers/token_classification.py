"""Entities by tags of first sub-words, as run_ner.py does it, scored by seqeval."""

from typing import Any

import torch
import transformers
from seqeval.metrics import f1_score

from benchmarks.tasks.peers.training import Job, fit, serve


def token_classification(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    names = sorted({tag for split in raw.values() for tags in split["tags"] for tag in tags})
    numbers = {name: number for number, name in enumerate(names)}

    def encode(batch: dict[str, list[Any]]) -> Any:
        tokens = tokenizer(
            batch["tokens"], is_split_into_words=True, truncation=True, max_length=job["max_length"]
        )
        tokens["labels"] = []
        for row, tags in enumerate(batch["tags"]):
            words = tokens.word_ids(row)
            tokens["labels"].append(
                [
                    -100 if word is None or (place and word == words[place - 1]) else numbers[tags[word]]
                    for place, word in enumerate(words)
                ]
            )
        return tokens

    def f1(prediction: Any) -> dict[str, float]:
        found, wanted = [], []
        for logits, labels in zip(prediction.predictions, prediction.label_ids, strict=True):
            kept = labels != -100
            found.append([names[number] for number in logits.argmax(-1)[kept]])
            wanted.append([names[number] for number in labels[kept]])
        return {"f1": f1_score(wanted, found)}

    model = transformers.AutoModelForTokenClassification.from_pretrained(
        job["checkpoint"], id2label=dict(enumerate(names)), label2id=numbers, dtype=torch.float32
    )
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    collator = transformers.DataCollatorForTokenClassification(tokenizer)
    _, scores = fit(job, model, encoded, tokenizer, compute_metrics=f1, data_collator=collator)
    return {"f1": scores["f1"]}


if __name__ == "__main__":
    serve(token_classification)
