"""Dropout of random bytes: the right rate, seeded, the same attention as torch's, in training steps only."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from pipeline import Run
from pipeline.training.quick_dropout import QuickDropout, noise

ROWS, ROW = 4_000, 64


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 1 / 512, 255 / 256])
def test_rate_and_scale(p: float):
    torch.manual_seed(0)
    found = noise(torch.Size([ROWS, ROW]), p, torch.float32)
    assert found.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    count = ROWS * ROW
    assert abs((found == 0).sum().item() - p * count) < 4 * math.sqrt(count * p * (1 - p))
    # Rows are as independent as elements are: their sums vary as those of Bernoulli draws do.
    variance = (found == 0).sum(-1).double().var().item()
    assert variance == pytest.approx(
        ROW * p * (1 - p), rel=5 * math.sqrt(2 / ROWS) + 1 / (ROW * p * (1 - p)) * 0.05
    )


def test_neighbours_are_independent():
    torch.manual_seed(1)
    dropped = (noise(torch.Size([ROWS, ROW]), 0.1, torch.float32) == 0).double()
    for lag in (1, 7, 8):
        pair = (dropped[:, :-lag] * dropped[:, lag:]).mean().item()
        assert pair == pytest.approx(0.01, abs=4 * math.sqrt(0.01 / (ROWS * ROW)))


def test_every_dropout_of_a_module_and_its_gradient():
    layer, x = torch.nn.Dropout(0.25), torch.ones(50, 40, requires_grad=True)
    torch.manual_seed(2)
    with QuickDropout():
        y = layer(x)
    y.sum().backward()
    torch.manual_seed(2)
    assert torch.equal(y, noise(x.shape, 0.25, x.dtype)) and torch.equal(x.grad, y)
    torch.manual_seed(2)
    assert not torch.equal(y, layer(torch.ones(50, 40)))  # torch's own draws others


def test_what_drops_nothing_stays_torchs_own():
    x = torch.ones(6, 5)
    with QuickDropout():
        assert torch.equal(functional.dropout(x, 0.3, training=False), x)
        assert torch.equal(torch.nn.Dropout(0.0)(x), x)
        assert not functional.dropout(x, 1.0).any()
        y = x.clone()
        assert functional.dropout(y, 0.5, inplace=True) is y and set(y.unique().tolist()) <= {0.0, 2.0}


def _parts(heads: int = 4, groups: int = 4):
    torch.manual_seed(3)
    query = torch.randn(2, heads, 9, 16, dtype=torch.float64)
    return query, *(torch.randn(2, groups, 9, 16, dtype=torch.float64) for _ in range(2))


BOOL = torch.ones(2, 1, 9, 9, dtype=torch.bool).tril()
BOOL[1, :, :4] = False  # which look at nothing, as padding on the left does
FLOAT = torch.zeros(2, 1, 9, 9, dtype=torch.float64).masked_fill(~BOOL, torch.finfo(torch.float64).min)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attn_mask": BOOL},
        {"attn_mask": FLOAT},
        {"is_causal": True},
        {"scale": 0.1},
        {"enable_gqa": True},
    ],
    ids=["plain", "bool", "float", "causal", "scale", "gqa"],
)
def test_attention_is_torchs_where_nothing_happens_to_drop(options):
    query, key, value = _parts(4, 2 if "enable_gqa" in options else 4)
    with QuickDropout():
        found = functional.scaled_dot_product_attention(query, key, value, dropout_p=1e-12, **options)
    assert torch.allclose(
        found, functional.scaled_dot_product_attention(query, key, value, **options), atol=1e-12
    )


def test_dropped_attention_is_the_same_on_average():
    query, key, value = _parts()
    total = torch.zeros_like(query)
    with QuickDropout():
        for _ in range(2_000):
            total += functional.scaled_dot_product_attention(query, key, value, BOOL, 0.3)
    expected = functional.scaled_dot_product_attention(query, key, value, BOOL)
    assert (total / 2_000 - expected).abs().max() < 0.15
    assert (total / 2_000 - expected).abs().mean() < 0.02


@pytest.mark.parametrize("autocast", [False, True], ids=["as it is", "autocast"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_gradients_of_attention_are_those_of_its_parts(dtype: torch.dtype, autocast: bool):
    def gradients(quick: bool) -> list[torch.Tensor]:
        leaves = [part.to(dtype).requires_grad_() for part in (*_parts(), FLOAT.clamp(min=-1e4))]
        query, key, value, bias = leaves
        torch.manual_seed(4)
        with torch.autocast("cpu", enabled=autocast and dtype is torch.float32):
            if quick:
                with QuickDropout():
                    out = functional.scaled_dot_product_attention(query, key, value, bias, 0.3)
            else:
                weights = ((query * 0.25) @ key.transpose(-2, -1) + bias).softmax(-1)
                factors = noise(weights.shape, 0.3, weights.dtype)
                out = (weights * factors) @ value.to(weights.dtype)
        out.square().sum().backward()
        return [out, *(leaf.grad for leaf in leaves)]

    for ours, plain in zip(gradients(True), gradients(False), strict=True):
        assert ours.dtype == plain.dtype
        near = 1e-12 if dtype is torch.float64 else 0.05 if dtype is torch.bfloat16 or autocast else 1e-5
        assert (ours - plain).norm() <= near * plain.norm()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_sees_nothing_has_a_gradient_of_numbers(dtype: torch.dtype):
    query = torch.full((2, 4, 9, 16), 8.0, dtype=dtype, requires_grad=True)
    key = torch.full((2, 4, 9, 16), -8.0, dtype=dtype, requires_grad=True)  # scores of -256
    with QuickDropout():
        functional.scaled_dot_product_attention(
            query, key, torch.ones_like(query), BOOL, 0.3
        ).sum().backward()
    assert query.grad.isfinite().all() and key.grad.isfinite().all()


def test_the_backward_pass_keeps_bytes():
    x = torch.ones(64, 256, requires_grad=True)
    kept: list[torch.Tensor] = []
    with QuickDropout(), torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        functional.dropout(x, 0.1)
    assert sum(tensor.nbytes for tensor in kept) == x.numel() + 64


@pytest.mark.slow
def test_it_trains_other_numbers_but_where_activations_are_computed_again(small: list[str], tmp_path: Path):
    # All tokens are read: of others the last layer is left out, unless it is computed again.
    small, left = [*small, "task.pooling=mean"], {}
    for quick, again in (("true", "false"), ("false", "false"), ("true", "true")):
        keys = [*small, "debug=fast", f"trainer.quick_dropout={quick}", f"hardware.recompute={again}"]
        run = Run.train([*keys, f"paths.outputs={tmp_path / quick / again}"])
        left[quick, again] = load_file(run.folder / "model/model.safetensors")
    plain = left["false", "false"]
    apart = {of: max((found[name] - plain[name]).abs().max() for name in plain) for of, found in left.items()}
    assert apart["true", "true"] < 1e-6 < apart["true", "false"]
