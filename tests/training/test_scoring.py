"""Scores where the device that computes has no float64."""

import math

import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from pipeline.tasks.base import Output
from pipeline.tasks.masked_lm import MaskedLM
from pipeline.training.scoring import Scorer


def test_what_adds_up_in_float64_stays_off_mps():
    mps = torch.device("mps")
    scorer = Scorer(MaskedLM(), {}, mps)
    assert scorer.metrics is not None and scorer.metrics.device.type == "cpu"
    for loss, tokens in ((6.0, 2), (3.0, 1)):
        counts = {"nats": torch.tensor(loss), "tokens": torch.tensor(tokens), "right": torch.tensor(1)}
        output = Output(torch.tensor(loss), torch.tensor(float(tokens)), None, counts)
        scorer.update(output, torch.tensor([0]))
    scores = scorer.compute(SingleDeviceStrategy(mps)).values
    assert scores["loss"] == 3.0 and scores["perplexity"] == pytest.approx(math.exp(3.0))
