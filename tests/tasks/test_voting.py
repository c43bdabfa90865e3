"""Votes of several models: probabilities that become one, and come back as logits that a task can score."""

import pytest
import torch
from torch import Tensor, tensor

from pipeline.tasks.voting import Choices, Classes, Tags, Values, Voting, mean
from pipeline.training.answers import Answer

LOGITS = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 4
PLACES = tensor([[False, True, True], [True, False, False]])


@pytest.mark.parametrize(
    ("voting", "batch", "logits", "same"),
    [
        (Classes(multi_label=False), {}, LOGITS, lambda x: x.softmax(-1)),
        (Classes(multi_label=True), {}, LOGITS, torch.sigmoid),
        (Choices(), {"choices": tensor([2, 3])}, LOGITS[0].view(-1, 1), lambda x: x[:2].softmax(0)),
        (Tags(), {"places": PLACES}, LOGITS.repeat(2, 1).view(2, 3, 5), lambda x: x[PLACES].softmax(-1)),
        (Values({"target_mean": [3.0] * 5, "target_scale": [0.5] * 5}), {}, LOGITS, lambda x: x),
    ],
    ids=["classes", "labels", "choices", "tags", "values"],
)
def test_one_model_says_what_it_said(voting: Voting, batch: dict, logits: Tensor, same):
    again = voting.logits(voting.votes(logits, batch), batch)
    assert again.shape == logits.shape and again.dtype == torch.float32
    torch.testing.assert_close(same(again), same(logits), atol=1e-5, rtol=1e-5)


def test_probabilities_are_averaged_and_not_logits():
    voting = Classes(multi_label=False)
    sure, unsure = tensor([[9.0, 0.0, 0.0]]), tensor([[0.0, 0.5, 0.2]])
    votes = mean([voting.votes(each, {})[0] for each in (sure, unsure)])
    expected = (sure.softmax(-1) + unsure.softmax(-1)) / 2
    torch.testing.assert_close(voting.logits([votes], {}).softmax(-1), expected)
    # What is impossible to all of them has a finite loss yet.
    assert voting.logits([tensor([[1.0, 0.0, 0.0]]).double()], {}).isfinite().all()


def test_values_of_models_with_other_scales_meet_in_the_units_of_the_data():
    first = Values({"target_mean": [10.0], "target_scale": [2.0]})
    second = Values({"target_mean": [0.0], "target_scale": [1.0]})
    votes = [first.votes(tensor([[1.0]]), {})[0], second.votes(tensor([[14.0]]), {})[0]]
    assert [float(each) for each in votes] == [12.0, 14.0]
    assert float(first.logits([mean(votes)], {})) == pytest.approx((13.0 - 10.0) / 2.0)


def test_words_are_found_by_their_number_whatever_the_windows():
    """Two windows over four words, of which the model says nothing of the third; another model knows only three."""
    said = torch.eye(4)[:3]
    answer = Answer({}, [{"words": [1]}, {"words": [3, 0]}], [said[:1], said[1:]])
    row = Tags().of_row(answer)
    assert row.isnan().any(1).tolist() == [False, False, True, False]
    assert row[[1, 3, 0]].tolist() == said.tolist()
    other = torch.full((3, 4), 0.25)
    both = mean([row, other])
    assert both[2].tolist() == [0.25] * 4, "the other one alone"
    assert both[3].tolist() == row[3].tolist(), "the first one alone"
    assert both[0].tolist() == ((row[0] + 0.25) / 2).tolist()
    assert Tags().of_feature(both, {"words": [3, 0]}).tolist() == both[[3, 0]].tolist()


def test_only_tokens_that_there_are_votes_on_have_a_loss():
    batch = {"places": PLACES, "labels": tensor([[-100, 1, 2], [3, 4, -100]])}
    assert Tags().scored(batch)["labels"].tolist() == [[-100, 1, 2], [3, -100, -100]]
