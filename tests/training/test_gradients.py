"""Against torch.nn.utils.clip_grad_norm_, with dense gradients of the same values."""

import pytest
import torch
from torch import nn

from pipeline.training.gradients import changeable, clip_by_norm


def weights(sparse: bool) -> list[torch.Tensor]:
    """An embedding of which rows 1 and 3 were read, 3 twice, by two batches; a weight; and one without a gradient."""
    torch.manual_seed(0)
    embedding, plain = nn.Embedding(5, 4, sparse=sparse), nn.Parameter(torch.randn(4))
    for rows in ([1, 3], [3]):
        (embedding(torch.tensor(rows)) * plain).sum().backward()
    return [embedding.weight, plain, nn.Parameter(torch.zeros(2))]


def dense(gradient: torch.Tensor | None) -> torch.Tensor | None:
    return None if gradient is None else gradient.to_dense()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("largest", [0.1, 1e6])
def test_clips_as_torch_does(sparse: bool, largest: float) -> None:
    mine, reference = weights(sparse), weights(False)
    clip_by_norm(mine, largest, over_processes=False)
    torch.nn.utils.clip_grad_norm_(reference, largest)
    torch.testing.assert_close([dense(w.grad) for w in mine], [w.grad for w in reference], rtol=0, atol=1e-7)


def test_changes_in_place_change_the_gradients() -> None:
    mine, reference = weights(True), weights(False)
    found = changeable(mine)
    assert [tuple(gradient.shape) for gradient in found] == [(2, 4), (4,)]
    torch._foreach_mul_(found, 0.5)
    for weight, other in zip(mine[:2], reference[:2], strict=True):
        torch.testing.assert_close(weight.grad.to_dense(), other.grad * 0.5)


def test_nothing_to_clip() -> None:
    weight = nn.Parameter(torch.zeros(2))
    clip_by_norm([weight], 1.0, over_processes=False)
    assert changeable([weight]) == [] and weight.grad is None
