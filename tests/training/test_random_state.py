"""Random states survive a file that holds plain data alone."""

import random
from pathlib import Path

import numpy as np
import torch

from pipeline.training import random_state


def draw() -> list[float]:
    return [random.random(), np.random.rand(), float(torch.rand(())), random.gauss(0, 1), np.random.randn()]


def test_draws_go_on_where_they_were(tmp_path: Path):
    random.gauss(0, 1)  # leaves half of a pair behind, which is state too
    torch.save(random_state.capture(), tmp_path / "random.pt")
    first = draw()
    draw()
    random_state.restore(torch.load(tmp_path / "random.pt", weights_only=True))
    assert draw() == first
