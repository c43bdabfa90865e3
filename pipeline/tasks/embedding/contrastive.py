"""Losses of embeddings: what makes some texts similar and others not. All take cosine similarities.

Of the losses here only the squared error is a sum over examples. The others compare the examples of a batch with each
other, so how many there are in a batch changes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def of_pairs(embeddings: Tensor, counts: Tensor, ids: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The sum over rows of :func:`in_batch_softmax` among all positives and negatives of a batch, and the rows.

    embeddings: (texts, size), of each row the query, its positive, its negatives. counts: (rows,) of them.
    ids: (texts,), equal for equal texts.
    """
    import torch

    starts = counts.cumsum(0) - counts
    is_document = torch.ones(len(embeddings), dtype=torch.bool, device=embeddings.device)
    is_document[starts] = False
    # Before a row's positive stand its own query and those of the rows before it.
    positives = starts - torch.arange(len(starts), device=starts.device)
    similarity = similarities(embeddings[starts], embeddings[is_document])
    excluded = false_negatives(ids[starts], ids[is_document], positives)
    loss = in_batch_softmax(similarity, positives, excluded, temperature)
    return loss.sum(), loss.new_tensor(len(loss))


def of_triplets(embeddings: Tensor, counts: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The sum over rows of the mean of :func:`triplet` over each one's negatives, and the rows."""
    import torch

    rows = [(row[1:] * row[0]).sum(-1) for row in embeddings.split(counts.tolist())]
    loss = torch.stack([triplet(row[0], row[1:], margin).mean() for row in rows])
    return loss.sum(), loss.new_tensor(len(loss))


def of_scored(
    embeddings: Tensor, scores: Tensor, objective: str, temperature: float
) -> tuple[Tensor, Tensor]:
    """Squared errors of the cosines, or :func:`cosent` of the batch for each of its rows; and the rows.

    embeddings: (2 × rows, size). scores: (rows,) between 0 and 1.
    """
    rows = embeddings.new_tensor(len(scores))
    similarity = (embeddings[0::2] * embeddings[1::2]).sum(-1)
    if objective == "cosine":
        return (similarity - scores).square().sum(), rows
    return cosent(similarity, scores, temperature) * rows, rows


def of_labelled(embeddings: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The sum of :func:`supervised_contrastive` over the texts that have one with their label in the batch, and the
    number of these; at least 1, because a step in which there is none cannot be divided by it."""
    import torch

    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = similarities(embeddings, embeddings)
    same = labels[:, None] == labels[None, :]
    loss, asked = supervised_contrastive(similarity, same, itself, temperature)
    return loss.sum(), asked.sum().clamp(min=1).to(loss.dtype)


def similarities(queries: Tensor, documents: Tensor) -> Tensor:
    """Cosines of unit vectors, (queries, documents), in full precision whatever autocast says: divided by a
    temperature, the last bits of bfloat16 matter."""
    import torch

    with torch.autocast(queries.device.type, enabled=False):
        return queries.float() @ documents.float().T


def in_batch_softmax(similarity: Tensor, positives: Tensor, excluded: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each query's own document among all: (queries,).

    InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) with in-batch negatives (Henderson et al. 2017,
    arXiv:1705.00652), which sentence-transformers calls MultipleNegativesRankingLoss.
    similarity: (queries, documents). positives: (queries,) the number of each one's document. excluded: (queries,
    documents) what is no negative although it stands in the batch.
    """
    from torch.nn import functional

    logits = (similarity / temperature).masked_fill(excluded, float("-inf"))
    return functional.cross_entropy(logits, positives, reduction="none")


def false_negatives(query_ids: Tensor, document_ids: Tensor, positives: Tensor) -> Tensor:
    """Documents of a batch that answer a query although they stand in another row: (queries, documents).

    These are the same text as the query, or as its document, or as the document of another row with the same query.
    Ids are equal for equal texts.
    """
    import torch

    same_query = (query_ids[:, None] == query_ids[None, :]).float()
    answers = (document_ids[positives][:, None] == document_ids[None, :]).float()
    found = (same_query @ answers > 0) | (query_ids[:, None] == document_ids[None, :])
    found[torch.arange(len(query_ids), device=found.device), positives] = False
    return found


def supervised_contrastive(
    similarity: Tensor, same_label: Tensor, itself: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Of each text the mean cross-entropy of finding one with its label among all others, and whether there is one.

    Khosla et al. 2020, arXiv:2004.11362, equation 2. similarity, same_label and itself are (texts, all texts).
    """
    logits = (similarity / temperature).masked_fill(itself, float("-inf"))
    positives = same_label & ~itself
    count = positives.sum(-1)
    logarithms = logits.log_softmax(-1).masked_fill(~positives, 0.0)
    return -logarithms.sum(-1) / count.clamp(min=1), count > 0


def triplet(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """How far the negative's similarity comes within ``margin`` of the positive's (Schroff et al. 2015,
    arXiv:1503.03832, with cosines)."""
    return (negative - positive + margin).relu()


def cosent(similarity: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """CoSENT (Su 2022, kexue.fm/archives/8847): log(1 + Σ exp((s_i - s_j) / temperature)) over all pairs of pairs of
    texts whose scores say that s_i should be below s_j. A scalar, in time n log n.
    """
    import torch

    scores, order = scores.sort(stable=True)
    logits = (similarity / temperature)[order]
    # For each j, the logarithm of Σ exp(s_i / temperature) over all i with a lower score: those before the first tie.
    below = torch.searchsorted(scores, scores, right=False)
    some = below > 0
    terms = logits.logcumsumexp(0)[below[some] - 1] - logits[some]
    return torch.cat([terms, terms.new_zeros(1)]).logsumexp(0)
