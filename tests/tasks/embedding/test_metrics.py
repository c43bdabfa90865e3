"""Scores of embeddings equal brute force in numpy, scipy and scikit-learn, however the rows are cut and dealt."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from pipeline.tasks.embedding import contrastive
from pipeline.tasks.embedding import metrics as retrieval_metrics
from pipeline.tasks.embedding.metrics import LabelRetrieval, PairCorrelation, PairRetrieval


def vectors(count: int, seed: int = 0, size: int = 4) -> torch.Tensor:
    return functional.normalize(
        torch.randn(count, size, generator=torch.Generator().manual_seed(seed)), dim=-1
    )


@pytest.fixture(autouse=True, params=[2**24, 7], ids=["whole", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_metrics, "_PIECE", request.param)


def brute_force(ranking: list[list[bool]]) -> dict[str, float]:
    """Scores of rankings of documents: whether each is right, the nearest first."""
    found = {f"recall_at_{k}": float(np.mean([any(row[:k]) for row in ranking])) for k in (1, 5, 10)}
    ranks = [next((1 / (i + 1) for i, right in enumerate(row[:10]) if right), 0.0) for row in ranking]
    found["mrr_at_10"] = float(np.mean(ranks))
    return found


def test_labels_are_those_of_scikit_learns_neighbours() -> None:
    embeddings, labels = vectors(60), torch.arange(60) % 13
    labels[0] = 99  # shared with none: not asked
    metric = LabelRetrieval(0.05)
    for part in torch.arange(60).split(17):
        metric.update(list(embeddings[part].split(1)), {"label": labels[part]})
    found = metric.compute()
    search = NearestNeighbors(metric="cosine", algorithm="brute").fit(embeddings.numpy())
    order = search.kneighbors(None, n_neighbors=59, return_distance=False)
    ranking = [[bool(labels[j] == labels[i]) for j in row] for i, row in enumerate(order) if i]
    expected = brute_force(ranking)
    loss, weight = contrastive.of_labelled(embeddings, labels, 0.05)
    assert found == pytest.approx({**expected, "loss": float(loss / weight)}, rel=1e-6, abs=1e-6)


def rows_of_pairs() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Embeddings and ids of rows with none to two negatives, in which texts, and so vectors, repeat."""
    generator = np.random.default_rng(0)
    texts, rows = vectors(40), []
    for number in range(30):
        query, positive = number % 12, 12 + generator.integers(14)
        negatives = [n for n in generator.integers(12, 40, number % 3).tolist() if n != positive]
        rows.append(torch.tensor([query, positive, *negatives]))
    rows[3][1] = 5  # a document that is a query elsewhere
    return [texts[row] for row in rows], [row + 100 for row in rows]


@pytest.mark.parametrize("objective", ["contrastive", "triplet"])
def test_pairs_are_found_as_by_brute_force(objective: str) -> None:
    embeddings, ids = rows_of_pairs()
    metric = PairRetrieval(objective, 0.05, 0.2)  # type: ignore[arg-type]
    for start in range(0, 30, 8):
        part = slice(start, start + 8)
        metric.update(embeddings[part], {"ids": torch.cat(ids[part])})
    found = metric.compute()
    vector = {
        int(i): e.numpy()
        for es, row in zip(embeddings, ids, strict=True)
        for e, i in zip(es, row, strict=True)
    }
    documents = sorted({int(i) for row in ids for i in row[1:]})
    right: dict[int, set[int]] = {}
    for row in ids:
        right.setdefault(int(row[0]), set()).add(int(row[1]))
    ranking, losses = [], []
    for query, wanted in right.items():
        others = [d for d in documents if d != query or d in wanted]
        said = {d: float(vector[query] @ vector[d]) for d in others}
        ranking.append([d in wanted for d in sorted(others, key=lambda d: -said[d])])
        for positive in wanted:
            wrong = [said[d] for d in others if d not in wanted]
            total = np.log(np.sum(np.exp(np.array([said[positive], *wrong]) / 0.05)))
            losses.append(total - said[positive] / 0.05)
    triplets = [
        (float(row[0] @ row[1]), float(row[0] @ negative)) for row in embeddings for negative in row[2:]
    ]
    expected = brute_force(ranking)
    expected["triplet_accuracy"] = float(np.mean([p > n for p, n in triplets]))
    expected["loss"] = float(np.mean(losses))
    if objective == "triplet":
        each = [[max(0, float(r[0] @ n) - float(r[0] @ r[1]) + 0.2) for n in r[2:]] for r in embeddings]
        expected["loss"] = float(np.mean([np.mean(row) for row in each if row]))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_model_that_says_the_same_of_all_finds_nothing() -> None:
    same = torch.ones(40, 4) / 2
    pairs = PairRetrieval("contrastive", 0.05, 0.2)
    pairs.update(list(same.view(20, 2, 4)), {"ids": torch.arange(40)})
    labels = LabelRetrieval(0.05)
    labels.update(list(same.split(1)), {"label": torch.arange(40) % 20})
    for found in (pairs.compute(), labels.compute()):
        assert {value for name, value in found.items() if name != "loss"} == {0.0}


@pytest.mark.parametrize("objective", ["cosine", "cosent"])
def test_correlations_are_those_of_scipy(objective: str) -> None:
    embeddings, scores = vectors(80), torch.arange(40).float() % 7 / 6
    said = functional.cosine_similarity(embeddings[0::2], embeddings[1::2])
    metric = PairCorrelation(objective, 0.05)  # type: ignore[arg-type]
    for part in torch.arange(40).split(9):
        metric.update(list(embeddings.view(40, 2, 4)[part]), {"score": scores[part]})
    loss, weight = contrastive.of_scored(embeddings, scores, objective, 0.05)
    expected = {
        "spearman": stats.spearmanr(said, scores).statistic,
        "pearson": stats.pearsonr(said, scores).statistic,
        "loss": float(loss / weight),
    }
    assert metric.compute() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_nothing_is_correlated_with_a_constant() -> None:
    metric = PairCorrelation("cosine", 0.05)
    metric.update(list(vectors(6).view(3, 2, 4)), {"score": torch.ones(3)})
    assert list(metric.compute()) == ["loss"]
