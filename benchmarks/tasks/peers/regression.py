"""A number for two texts: one output and mean squared error, as run_glue.py does STS-B."""

from typing import Any

import torch
import transformers
from scipy.stats import pearsonr, spearmanr

from benchmarks.tasks.peers.training import Job, fit, serve


def regression(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        tokens = tokenizer(batch["text"], batch["text_pair"], truncation=True, max_length=job["max_length"])
        return {**tokens, "labels": [float(value) for value in batch["label"]]}

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["checkpoint"], num_labels=1, problem_type="regression", dtype=torch.float32
    )
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    _, scores = fit(job, model, encoded, tokenizer, compute_metrics=correlations)
    return {name: scores[name] for name in ("pearson", "spearman")}


def correlations(prediction: Any) -> dict[str, float]:
    found, wanted = prediction.predictions.squeeze(-1), prediction.label_ids
    return {
        "pearson": pearsonr(found, wanted).statistic,
        "spearman": spearmanr(found, wanted).statistic,
        "r2": 1 - ((found - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum(),
        "mse": float(((found - wanted) ** 2).mean()),
    }


if __name__ == "__main__":
    serve(regression)
