"""Scores of embeddings: agreement with people's scores of pairs, and how well texts find what belongs to them.

``recall_at_k`` is the share of queries for which at least one of the k nearest is right (with one right document a
query: recall@k; also called accuracy@k or hit rate). ``mrr_at_10`` is the mean of 1/rank of the nearest right one, 0
where that is not among ten. Ties count against the model: one that says the same of all texts finds nothing.

All embeddings of a split are held (texts × size floats), and compared in pieces. ``loss`` is computed over the split
as one batch, so that it depends neither on the batch size nor on the number of processes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from pipeline.tasks.embedding.contrastive import cosent, similarities, supervised_contrastive, triplet

RECALL_AT, MRR_AT = (1, 5, 10), 10
# Similarities that are held at once.
_PIECE = 2**24


class PairCorrelation(Metric):
    """Correlations of similarities with scores, as scipy.stats computes them."""

    similarity: list[Tensor]
    score: list[Tensor]

    def __init__(self, objective: Literal["cosine", "cosent"], temperature: float) -> None:
        super().__init__()
        self.objective, self.temperature = objective, temperature
        self.add_state("similarity", default=[], dist_reduce_fx="cat")
        self.add_state("score", default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Sequence[Tensor], targets: Mapping[str, Tensor]) -> None:
        """embeddings: two vectors a row. targets: ``score`` between 0 and 1 for each."""
        both = torch.stack(list(embeddings))
        self.similarity.append((both[:, 0] * both[:, 1]).sum(-1))
        self.score.append(targets["score"])

    def compute(self) -> dict[str, float]:
        from scipy import stats

        similarity, score = dim_zero_cat(self.similarity), dim_zero_cat(self.score)
        loss = (
            cosent(similarity, score, self.temperature)
            if self.objective == "cosent"
            else functional.mse_loss(similarity, score)
        )
        found = {"loss": float(loss)}
        said, true = similarity.cpu().double().numpy(), score.cpu().double().numpy()
        if len(true) > 1 and said.std() > 0 and true.std() > 0:  # there is no correlation with a constant
            found["spearman"] = float(stats.spearmanr(said, true).statistic)
            found["pearson"] = float(stats.pearsonr(said, true).statistic)
        return found


class PairRetrieval(Metric):
    """Whether each text finds its positive among all positives and negatives of the split.

    The same text is one document, however often it occurs, and one query, for which the positives of all its rows are
    right. A query is no document of its own.
    """

    embeddings: list[Tensor]
    ids: list[Tensor]
    query_ids: list[Tensor]
    roles: list[Tensor]
    shortfalls: list[Tensor]
    ordered: Tensor
    triplets: Tensor

    def __init__(
        self, objective: Literal["contrastive", "triplet"], temperature: float, margin: float
    ) -> None:
        super().__init__()
        self.objective, self.temperature, self.margin = objective, temperature, margin
        for name in ("embeddings", "ids", "query_ids", "roles", "shortfalls"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        for name in ("ordered", "triplets"):
            self.add_state(name, default=torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, embeddings: Sequence[Tensor], targets: Mapping[str, Tensor]) -> None:
        """embeddings: of each row (texts, size): the query, its positive, its negatives. targets: ``ids`` of all
        these texts, one after the other."""
        counts = torch.tensor([len(row) for row in embeddings], device=targets["ids"].device)
        starts = counts.cumsum(0) - counts
        roles = torch.arange(int(counts.sum()), device=counts.device) - starts.repeat_interleave(counts)
        self.embeddings.append(torch.cat(list(embeddings)))
        self.ids.append(targets["ids"])
        self.query_ids.append(targets["ids"][starts].repeat_interleave(counts))
        self.roles.append(roles.clamp(max=2))
        for row in embeddings:
            said = (row[1:] * row[0]).sum(-1)
            self.ordered += (said[0] > said[1:]).sum()
            self.triplets += len(said) - 1
            if self.objective == "triplet" and len(said) > 1:
                self.shortfalls.append(triplet(said[0], said[1:], self.margin).mean().reshape(1))

    def compute(self) -> dict[str, float]:
        embeddings, ids = dim_zero_cat(self.embeddings), dim_zero_cat(self.ids)
        query_ids, roles = dim_zero_cat(self.query_ids), dim_zero_cat(self.roles)
        queries, documents = _first_of_each(ids, roles == 0), _first_of_each(ids, roles > 0)
        document_ids, order = ids[documents].sort()
        documents = documents[order]
        # Which document is right for which query, by their places; every pair once.
        is_right = roles == 1
        pairs = torch.stack([query_ids[is_right], ids[is_right]]).unique(dim=1)
        sorted_queries, query_order = ids[queries].sort()
        pairs = torch.stack(
            [
                query_order[torch.searchsorted(sorted_queries, pairs[0].contiguous())],
                torch.searchsorted(document_ids, pairs[1].contiguous()),
            ]
        )
        ranks, losses = [], []
        for start, stop in _pieces(len(queries), len(documents)):
            similarity = similarities(embeddings[queries[start:stop]], embeddings[documents])
            right = torch.zeros_like(similarity, dtype=torch.bool)
            mine = (pairs[0] >= start) & (pairs[0] < stop)
            right[pairs[0][mine] - start, pairs[1][mine]] = True
            aside = (ids[queries[start:stop]][:, None] == document_ids[None, :]) & ~right
            ranks.append(_ranks(similarity, right, aside))
            logits = similarity / self.temperature
            others = logits.masked_fill(right | aside, float("-inf")).logsumexp(-1, keepdim=True)
            losses.append(functional.softplus(others - logits)[right])
        found = scores_of_ranks(torch.cat(ranks))
        found["loss"] = float(torch.cat(losses).mean())
        if self.triplets:
            found["triplet_accuracy"] = float(self.ordered / self.triplets)
        if self.objective == "triplet":
            found["loss"] = float(dim_zero_cat(self.shortfalls).mean())
        return found


class LabelRetrieval(Metric):
    """Whether the nearest other texts have a text's label. Texts whose label no other has are not asked."""

    embeddings: list[Tensor]
    labels: list[Tensor]

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Sequence[Tensor], targets: Mapping[str, Tensor]) -> None:
        """embeddings: one vector a row. targets: ``label``, a number for each."""
        self.embeddings.append(torch.cat(list(embeddings)))
        self.labels.append(targets["label"])

    def compute(self) -> dict[str, float]:
        embeddings, labels = dim_zero_cat(self.embeddings), dim_zero_cat(self.labels)
        everyone = torch.arange(len(labels), device=labels.device)
        ranks, losses = [], []
        for start, stop in _pieces(len(labels), len(labels)):
            similarity = similarities(embeddings[start:stop], embeddings)
            itself = everyone[start:stop, None] == everyone[None, :]
            same = labels[start:stop, None] == labels[None, :]
            loss, asked = supervised_contrastive(similarity, same, itself, self.temperature)
            ranks.append(_ranks(similarity, same & ~itself, itself)[asked])
            losses.append(loss[asked])
        found = scores_of_ranks(torch.cat(ranks))
        return {**found, "loss": float(torch.cat(losses).mean())} if found else {"loss": 0.0}


def _first_of_each(ids: Tensor, wanted: Tensor) -> Tensor:
    """The place of one of each of the wanted ids."""
    places = wanted.nonzero().squeeze(-1)
    _, group = ids[places].unique(return_inverse=True)
    chosen = places.new_zeros(int(group.max()) + 1)
    return chosen.scatter_reduce(0, group, places, "amin", include_self=False)


def _pieces(queries: int, documents: int) -> list[tuple[int, int]]:
    step = max(1, _PIECE // documents)
    return [(start, min(start + step, queries)) for start in range(0, queries, step)]


def _ranks(similarity: Tensor, right: Tensor, aside: Tensor) -> Tensor:
    """The place of the nearest right document in each row, from 1, behind what is as near but not right."""
    best = similarity.masked_fill(~right, float("-inf")).amax(-1, keepdim=True)
    ahead = ~(similarity < best) & ~right & ~aside  # what is not a number is ahead
    return 1 + ahead.sum(-1)


def scores_of_ranks(ranks: Tensor) -> dict[str, float]:
    """Recall and mean reciprocal rank; nothing where nobody was asked."""
    if not len(ranks):
        return {}
    ranks = ranks.cpu()  # MPS has no float64
    found: dict[str, Any] = {f"recall_at_{k}": float((ranks <= k).double().mean()) for k in RECALL_AT}
    found[f"mrr_at_{MRR_AT}"] = float((1 / ranks.double()).masked_fill(ranks > MRR_AT, 0.0).mean())
    return found
