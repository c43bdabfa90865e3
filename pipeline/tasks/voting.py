"""Soft voting: the mean of what several models say of a row (Dietterich 2000, "Ensemble methods in machine learning").

A model's logits become votes, numbers whose mean over models says something. The mean becomes logits again, of the
first model's features, so that a task scores several models as it scores one: loss, metrics and words follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.tasks.base import Head
    from pipeline.training.answers import Answer

# What no model gives any probability: its logarithm is a number yet.
_LEAST = 1e-300


class Voting:
    """How the models of one task vote. Votes of a row are (things, numbers): probabilities of a text's classes, of each
    word's tags, of each choice, or values; in float64 on the CPU."""

    def votes(self, logits: Tensor, batch: Mapping[str, Tensor]) -> list[Tensor]:
        """A model's votes on each feature of a batch."""
        raise NotImplementedError

    def logits(self, votes: Sequence[Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Logits, of the shape that a model gives them in, that say what ``votes`` on a batch's features do."""
        raise NotImplementedError

    def of_row(self, answer: Answer) -> Tensor:
        """Votes on a row, given (as predictions) those on its features; NaN for things that nothing is said of."""
        return answer.predictions[0]

    def of_feature(self, votes: Tensor, feature: Mapping[str, Any]) -> Tensor:
        """What of a row's votes is of one of its features."""
        return votes

    def scored(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``batch`` with the targets that there are votes on."""
        return dict(batch)


def mean(votes: Sequence[Tensor]) -> Tensor:
    """The mean of several models' votes on a row, over those that say something of a thing."""
    things = max(map(len, votes))
    padded = [torch.cat([v, v.new_full((things - len(v), v.shape[1]), torch.nan)]) for v in votes]
    return torch.stack(padded).nanmean(0)


class Classes(Voting):
    """One class of a text, or with ``multi_label`` any number of them: (1, classes)."""

    def __init__(self, multi_label: bool) -> None:
        self.multi_label = multi_label

    def votes(self, logits: Tensor, batch: Mapping[str, Tensor]) -> list[Tensor]:
        wide = logits.detach().cpu().double()
        return list((wide.sigmoid() if self.multi_label else wide.softmax(-1)).unsqueeze(1))

    def logits(self, votes: Sequence[Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        each = torch.cat(list(votes))
        return (each.logit(eps=1e-12) if self.multi_label else each.clamp(min=_LEAST).log()).float()


class Choices(Voting):
    """One of a row's choices: (choices, 1)."""

    def votes(self, logits: Tensor, batch: Mapping[str, Tensor]) -> list[Tensor]:
        each = logits.detach().cpu().double().view(-1, 1).split(batch["choices"].tolist())
        return [one.softmax(0) for one in each]

    def logits(self, votes: Sequence[Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        return torch.cat(list(votes)).clamp(min=_LEAST).log().float()


class Tags(Voting):
    """Tags of words: (words, tags). Each word has one vote of a model, by the token that stands for it there."""

    def votes(self, logits: Tensor, batch: Mapping[str, Tensor]) -> list[Tensor]:
        places = batch["places"]
        return list(logits.detach()[places].cpu().double().softmax(-1).split(places.sum(-1).tolist()))

    def logits(self, votes: Sequence[Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        places = batch["places"].cpu()
        each = torch.cat(list(votes)).clamp(min=_LEAST).log().float()
        return each.new_zeros(*places.shape, each.shape[1]).masked_scatter(places.unsqueeze(-1), each)

    def of_row(self, answer: Answer) -> Tensor:
        words = [word for feature in answer.features for word in feature["words"]]
        said = torch.cat(list(answer.predictions))
        votes = said.new_full((max(words, default=-1) + 1, said.shape[1]), torch.nan)
        votes[words] = said
        return votes

    def of_feature(self, votes: Tensor, feature: Mapping[str, Any]) -> Tensor:
        return votes[feature["words"]]

    def scored(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of a word with several labelled tokens one counts."""
        from pipeline.tasks.token_loss import IGNORED

        if "labels" not in batch:
            return dict(batch)
        return {**batch, "labels": batch["labels"].masked_fill(~batch["places"], IGNORED)}


class Values(Voting):
    """Numbers in the units of the data: (1, targets). Each model has its own scale, in the facts of its ``head``."""

    def __init__(self, head: Head) -> None:
        self.mean = torch.tensor(head["target_mean"], dtype=torch.float64)
        self.scale = torch.tensor(head["target_scale"], dtype=torch.float64)

    def votes(self, logits: Tensor, batch: Mapping[str, Tensor]) -> list[Tensor]:
        return list((logits.detach().cpu().double() * self.scale + self.mean).unsqueeze(1))

    def logits(self, votes: Sequence[Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        return ((torch.cat(list(votes)) - self.mean) / self.scale).float()
