"""Against torch.optim.AdamW, which moves every row in every step: in float64, where rounding hides nothing."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.training.gradients import clip_by_norm
from pipeline.training.lazy_rows import LazyAdamW, fades, largest_embedding

ROWS, STEPS = 300, 90
# With next to no eps, which is exact to first order only.
OPTIONS: dict[str, Any] = {"lr": 1e-2, "eps": 1e-30, "fused": True}


class Training:
    """A classifier of numbers, whose steps read few rows, some of them never, the padding among them."""

    def __init__(self, lazy: bool, decay: float = 0.01, dtype: torch.dtype = torch.float64, **options: Any):
        torch.manual_seed(1)
        self.embedding, self.head = (
            nn.Embedding(ROWS, 8, padding_idx=0, dtype=dtype),
            nn.Linear(8, 3, dtype=dtype),
        )
        self.weights = [self.embedding.weight, *self.head.parameters()]
        groups = [
            {"params": self.weights[:2], "weight_decay": decay, "lr": 2e-2},
            {"params": self.weights[2:], "weight_decay": 0.0},
        ]
        options = OPTIONS | options
        if lazy:
            self.optimizer: Any = LazyAdamW(groups, self.embedding, **options)
            self.optimizer.follow()
        else:
            self.optimizer = torch.optim.AdamW(groups, **options)
        self.rates = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1, (step + 1) / 10) * (1 - step / STEPS)
        )
        self.read = torch.Generator().manual_seed(3)

    def go_on(self, steps: int, accumulate: int = 1, clip: float | None = None) -> "Training":
        for _ in range(steps):
            self.optimizer.zero_grad()
            for _ in range(accumulate):
                read = (torch.rand(4, 6, generator=self.read) ** 3 * (ROWS - 50)).long()
                loss = nn.functional.cross_entropy(self(read).flatten(0, 1), read.flatten() % 3)
                (loss / accumulate).backward()
            clip_by_norm(self.weights, clip or 1e9, over_processes=False)
            self.optimizer.step()
            self.rates.step()
        return self

    def __call__(self, read: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(read))

    def found(self) -> dict[str, torch.Tensor]:
        if isinstance(self.optimizer, LazyAdamW):
            self.optimizer.leave()
        kept = self.optimizer.state_dict()["state"]
        moments = {f"{number} {name}": value for number, of in kept.items() for name, value in of.items()}
        return {**{str(n): w.detach() for n, w in enumerate(self.weights)}, **moments}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"decay": 0.0},
        {"decay": 0.5},
        {"betas": (0.0, 0.99)},
        {"betas": (0.98, 0.97)},
        {"fused": False},
    ],
)
@pytest.mark.parametrize("going", [{}, {"accumulate": 3, "clip": 0.05}])
def test_ends_as_adamw_does(options: dict[str, Any], going: dict[str, Any]) -> None:
    begun = Training(False).weights[0].detach().clone()
    expected = Training(False, **options).go_on(STEPS, **going).found()
    found = Training(True, **options).go_on(STEPS, **going).found()
    assert (expected["0"] - begun).abs().max() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "eps", "apart"),
    # Of changes up to 0.2. An element whose gradients are about eps is what differs most.
    [(torch.float64, 1e-8, 1e-7), (torch.float32, 1e-8, 1e-5), (torch.float64, 1e-6, 1e-4)],
)
def test_with_an_eps_that_counts(dtype: torch.dtype, eps: float, apart: float) -> None:
    expected, found = (Training(lazy, dtype=dtype, eps=eps).go_on(STEPS).found() for lazy in (False, True))
    torch.testing.assert_close(found["0"], expected["0"], rtol=0, atol=apart)


def test_who_looks_without_gradients_sees_what_adamw_would_have() -> None:
    expected, lazy = Training(False).go_on(20), Training(True).go_on(20)
    every = torch.arange(ROWS)
    assert not torch.allclose(lazy.embedding.weight, expected.embedding.weight, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(lazy(every), expected(every), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(lazy.embedding.weight, expected.embedding.weight, rtol=1e-9, atol=1e-12)
    # And goes on from there.
    torch.testing.assert_close(lazy.go_on(20).found(), expected.go_on(20).found(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("looked", [False, True])
def test_continued_it_is_the_same_to_the_last_bit(looked: bool) -> None:
    def half() -> Training:
        training = Training(True, dtype=torch.float32).go_on(30)
        if looked:
            training.optimizer.settle()
        return training.go_on(7)

    whole, stopped, other = half(), half(), Training(True, dtype=torch.float32)
    kept = copy.deepcopy((stopped.optimizer.state_dict(), [weight.detach() for weight in stopped.weights]))
    with torch.no_grad():
        for weight, value in zip(other.weights, kept[1], strict=True):
            weight.copy_(value)
    other.optimizer.load_state_dict(kept[0])
    other.rates.load_state_dict(stopped.rates.state_dict())
    other.read = stopped.read
    torch.testing.assert_close(other.go_on(20).found(), whole.go_on(20).found(), rtol=0, atol=0)


def test_goes_on_from_a_plain_adamw() -> None:
    plain, lazy = Training(False).go_on(10), Training(True)
    with torch.no_grad():
        for weight, value in zip(lazy.weights, plain.weights, strict=True):
            weight.copy_(value)
    lazy.optimizer.load_state_dict(copy.deepcopy(plain.optimizer.state_dict()))
    lazy.rates.load_state_dict(plain.rates.state_dict())
    lazy.read.set_state(plain.read.get_state())
    torch.testing.assert_close(lazy.go_on(10).found(), plain.go_on(10).found(), rtol=1e-9, atol=1e-12)


def test_steps_without_a_gradient_are_none_as_for_adamw() -> None:
    """As long as the embedding is frozen, in the first stages of unfreezing."""
    found = []
    for lazy in (False, True):
        training = Training(lazy).go_on(5)
        for weight in training.weights:
            weight.grad = torch.ones_like(weight)
        training.embedding.weight.grad = None
        training.optimizer.step()
        found.append(training.go_on(5).found())
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


def test_a_dense_gradient_moves_all_rows() -> None:
    found = []
    for lazy in (False, True):
        training = Training(lazy).go_on(5)
        for weight in training.weights:
            weight.grad = torch.linspace(-1, 1, weight.numel(), dtype=weight.dtype).view_as(weight)
        training.optimizer.step()
        found.append(training.go_on(5).found())
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


def test_only_rows_that_are_read_have_gradients_and_are_moved() -> None:
    training = Training(True)
    before = training.embedding.weight.detach().clone()
    training.go_on(1)
    moved = (training.embedding.weight != before).any(1)
    rows = training.embedding.weight.grad.indices()[0]
    assert training.embedding.weight.grad.is_sparse and 0 < len(rows) <= 24
    assert set(moved.nonzero()[:, 0].tolist()) == set(rows.tolist()) - {0}


def test_what_is_left_is_as_it_was() -> None:
    training = Training(True).go_on(3)
    training.found()
    assert not training.embedding.sparse and not training.embedding._forward_pre_hooks


def test_momentum_has_to_fade() -> None:
    assert fades((0.9, 0.999)) and fades((0.0, 0.0)) and not fades((0.99, 0.9))
    with pytest.raises(ValueError, match="momentum does not fade"):
        Training(True, betas=(0.99, 0.9))


def test_the_embedding_that_is_found() -> None:
    words, places = nn.Embedding(50, 4), nn.Embedding(20, 4)
    model = nn.ModuleDict({"words": words, "places": places, "head": nn.Linear(4, 50, bias=False)})
    assert largest_embedding(model) is words
    words.requires_grad_(False)
    assert largest_embedding(model) is places
    words.requires_grad_(True)
    model["head"].weight = words.weight  # What predicts words has gradients of all rows.
    assert largest_embedding(model) is places
    assert largest_embedding(nn.Linear(2, 2)) is None
