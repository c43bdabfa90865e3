"""Losses of embeddings equal what their papers write down, by loops in numpy, and torch's own."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.tasks.embedding import contrastive

TEMPERATURE = 0.05


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_in_batch_softmax_is_cross_entropy_over_all_documents() -> None:
    """Three rows of query, positive and (in the second) two negatives: the targets are documents 0, 1 and 4."""
    embeddings, counts = vectors(8), torch.tensor([2, 4, 2])
    loss, weight = contrastive.of_pairs(embeddings, counts, torch.arange(8), TEMPERATURE)
    queries, documents = embeddings[[0, 2, 6]], embeddings[[1, 3, 4, 5, 7]]
    expected = functional.cross_entropy(queries @ documents.T / TEMPERATURE, torch.tensor([0, 1, 4]))
    torch.testing.assert_close(loss / weight, expected)
    assert weight == 3


def test_what_answers_a_query_is_no_negative_of_it() -> None:
    """a-b, a-c, d-b, e-a: for the query a neither b nor c nor a itself is wrong."""
    a, b, c, d, e = range(5)
    query_ids, document_ids = torch.tensor([a, a, d, e]), torch.tensor([b, c, b, a])
    found = contrastive.false_negatives(query_ids, document_ids, torch.arange(4))
    assert found.tolist() == [
        [False, True, True, True],
        [True, False, True, True],
        [True, False, False, False],
        [False, False, False, False],
    ]


def test_a_batch_of_one_text_repeated_teaches_nothing() -> None:
    embeddings = vectors(4).requires_grad_()
    ids = torch.tensor([0, 1, 0, 1])
    loss, _ = contrastive.of_pairs(embeddings, torch.tensor([2, 2]), ids, TEMPERATURE)
    loss.backward()
    assert loss == 0 and embeddings.grad is not None and not embeddings.grad.any()


def test_supervised_contrastive_is_equation_2() -> None:
    embeddings, labels = vectors(7).double(), [0, 1, 0, 2, 1, 0, 3]
    said = embeddings.numpy() @ embeddings.numpy().T / TEMPERATURE
    each = []
    for i, label in enumerate(labels):
        others = [a for a in range(7) if a != i]
        positives = [p for p in others if labels[p] == label]
        if positives:
            total = np.log(np.sum(np.exp(said[i, others])))
            each.append(-np.mean([said[i, p] - total for p in positives]))
    loss, weight = contrastive.of_labelled(embeddings.float(), torch.tensor(labels), TEMPERATURE)
    assert float(weight) == len(each) == 5
    assert float(loss) == pytest.approx(sum(each), rel=1e-5)


def test_a_step_without_two_of_a_label_has_a_finite_gradient() -> None:
    embeddings = vectors(3).requires_grad_()
    loss, weight = contrastive.of_labelled(embeddings, torch.arange(3), TEMPERATURE)
    (loss / weight).backward()
    assert loss == 0 and weight == 1
    assert embeddings.grad is not None and not embeddings.grad.any()


@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.5, 0.5, 0.2], [0.5, 0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1, 0]])
def test_cosent_is_the_double_sum(scores: list[float]) -> None:
    similarity = torch.tensor([0.3, 0.4, -0.2, 0.9, 0.1], dtype=torch.float64, requires_grad=True)
    terms = [
        np.exp((float(similarity[i]) - float(similarity[j])) / TEMPERATURE)
        for i in range(5)
        for j in range(5)
        if scores[i] < scores[j]
    ]
    loss = contrastive.cosent(similarity, torch.tensor(scores), TEMPERATURE)
    assert float(loss) == pytest.approx(np.log(1 + sum(terms)), rel=1e-9)
    loss.backward()
    assert similarity.grad is not None and similarity.grad.isfinite().all()


def test_squared_errors_are_a_sum_over_rows() -> None:
    embeddings, scores = vectors(6), torch.tensor([0.1, 0.5, 1.0])
    loss, weight = contrastive.of_scored(embeddings, scores, "cosine", TEMPERATURE)
    said = functional.cosine_similarity(embeddings[0::2], embeddings[1::2])
    torch.testing.assert_close(loss / weight, functional.mse_loss(said, scores))
    parts = [
        contrastive.of_scored(embeddings[s], scores[t], "cosine", TEMPERATURE)[0]
        for s, t in ((slice(0, 2), slice(0, 1)), (slice(2, 6), slice(1, 3)))
    ]
    torch.testing.assert_close(sum(parts), loss)


def test_triplets_are_torchs_margin_ranking() -> None:
    embeddings, counts = vectors(7), torch.tensor([3, 4])
    loss, weight = contrastive.of_triplets(embeddings, counts, 0.2)
    one = functional.triplet_margin_with_distance_loss
    cosine: dict[str, Any] = {
        "distance_function": lambda a, b: 1 - functional.cosine_similarity(a, b),
        "margin": 0.2,
    }
    first = one(embeddings[0:1], embeddings[1:2], embeddings[2:3], **cosine)
    second = one(embeddings[[3, 3]], embeddings[[4, 4]], embeddings[[5, 6]], **cosine)
    torch.testing.assert_close(loss, first + second)
    assert weight == 2
