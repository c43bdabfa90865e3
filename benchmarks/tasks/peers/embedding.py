"""Embeddings with sentence-transformers' own trainer: scored pairs by cosines, other pairs by ranking in the batch."""

import tempfile
from typing import Any

import numpy as np
import sentence_transformers
import torch
from scipy.stats import pearsonr, spearmanr
from sentence_transformers.sentence_transformer import evaluation, losses

from benchmarks.tasks.peers.training import Job, arguments, serve


def embedding(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    device = "cpu" if job["accelerator"] == "cpu" else "cuda"
    model = sentence_transformers.SentenceTransformer(job["checkpoint"], device=device)
    model.max_seq_length = job["max_length"]
    scored = "score" in raw["train"].column_names
    return pairs_by_score(job, raw, model) if scored else pairs_in_batch(job, raw, model)


def pairs_by_score(job: Job, raw: Any, model: Any) -> dict[str, float]:
    low, high = job["head"]["score_range"]
    columns = ["text", "text_pair", "score"]
    rows = raw.select_columns(columns).map(lambda row: {"score": (row["score"] - low) / (high - low)})
    first, second, scores = (list(rows["validation"][name]) for name in columns)
    evaluator = evaluation.EmbeddingSimilarityEvaluator(first, second, scores)
    train(job, model, rows, losses.CosineSimilarityLoss(model), evaluator, "spearman_cosine")
    pair = [encoded(model, rows["test"][name]) for name in columns[:2]]
    found, wanted = (pair[0] * pair[1]).sum(-1), rows["test"]["score"][:]
    return {
        "spearman": spearmanr(found, wanted).statistic,
        "pearson": pearsonr(found, wanted).statistic,
    }


def pairs_in_batch(job: Job, raw: Any, model: Any) -> dict[str, float]:
    rows = raw.select_columns(["text", "positive"])
    validation = rows["validation"]
    names = [str(number) for number in range(len(validation))]
    evaluator = evaluation.InformationRetrievalEvaluator(
        dict(zip(names, validation["text"], strict=True)),
        dict(zip(names, validation["positive"], strict=True)),
        {name: {name} for name in names},
    )
    loss = losses.MultipleNegativesRankingLoss(model, scale=1 / job["task"]["temperature"])
    train(job, model, rows, loss, evaluator, "cosine_mrr@10")
    queries, documents = (encoded(model, rows["test"][name]) for name in ("text", "positive"))
    similarity = queries @ documents.T
    ranks = (similarity >= similarity.diagonal()[:, None]).sum(-1)
    return {
        "recall_at_1": float((ranks == 1).mean()),
        "mrr_at_10": float(np.where(ranks <= 10, 1 / ranks, 0).mean()),
    }


def train(job: Job, model: Any, rows: Any, loss: Any, evaluator: Any, monitor: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = arguments(job, folder, metric_for_best_model=monitor)
        trainer = sentence_transformers.SentenceTransformerTrainer(
            model=model,
            args=sentence_transformers.SentenceTransformerTrainingArguments(**settings),
            train_dataset=rows["train"],
            eval_dataset=rows["validation"],
            loss=loss,
            evaluator=evaluator,
        )
        trainer.train()
    assert trainer.state.global_step == job["steps"], trainer.state.global_step


def encoded(model: Any, texts: Any) -> np.ndarray:
    with torch.inference_mode():
        return model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


if __name__ == "__main__":
    serve(embedding)
