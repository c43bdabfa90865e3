import copy
import io
from types import SimpleNamespace

import pytest
import torch
from lightning.fabric.plugins.precision.amp import _optimizer_handles_unscaling
from pydantic import ValidationError
from transformers.optimization import Adafactor as ReferenceAdafactor

from pipeline.compose.leaf import OptimizerLeaf
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.module import FineTuning
from pipeline.training.optimizers import SGD, Adafactor, AdamW, has_fused_kernel
from pipeline.training.schedulers import Constant


def trained(make_optimizer, steps=5):
    """Weights after some steps of a small regression with an optimizer over two groups."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": 0.1},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0},
    ]
    optimizer = make_optimizer(groups)
    inputs = torch.randn(16, 4)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()]), optimizer


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        (
            AdamW(lr=1e-2, betas=(0.8, 0.99), eps=1e-6, fused=False),
            lambda groups: torch.optim.AdamW(groups, lr=1e-2, betas=(0.8, 0.99), eps=1e-6),
        ),
        (AdamW(lr=1e-2), lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True)),
        (
            SGD(lr=1e-2, momentum=0.8, nesterov=True),
            lambda groups: torch.optim.SGD(groups, lr=1e-2, momentum=0.8, nesterov=True),
        ),
        (
            Adafactor(lr=1e-3, beta1=0.9),
            lambda groups: ReferenceAdafactor(
                groups, lr=1e-3, beta1=0.9, relative_step=False, scale_parameter=False
            ),
        ),
    ],
)
def test_same_weights_as_the_library(spec, reference):
    torch.testing.assert_close(trained(spec.build)[0], trained(reference)[0], rtol=0, atol=0)


def test_groups_keep_their_own_weight_decay():
    _, optimizer = trained(AdamW(lr=1e-2, weight_decay=0.5).build, steps=0)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


def test_adamw_uses_the_fused_kernel_on_a_cpu_unless_told_otherwise():
    assert trained(AdamW(lr=1e-2).build)[1].defaults["fused"] is True
    assert trained(AdamW(lr=1e-2, fused=False).build)[1].defaults["fused"] is False
    whole_numbers = torch.nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)
    assert not has_fused_kernel([{"params": [whole_numbers]}])
    assert not has_fused_kernel([{"params": [torch.nn.Parameter(torch.empty(2, device="meta"))]}])


def test_adafactor_moves_weights_about_as_far_as_adamw():
    start = trained(AdamW(lr=1e-3).build, steps=0)[0]
    distances = [
        (trained(spec.build)[0] - start).square().mean().sqrt().item()
        for spec in (AdamW(lr=1e-3), Adafactor(lr=1e-3))
    ]
    assert distances[1] == pytest.approx(distances[0], rel=0.5)


class OneWeight(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))


def configured(spec, model):
    """The optimizer that a run makes of it."""
    module = FineTuning(
        model,
        task=TextClassification(),
        strategy=SimpleNamespace(parameter_groups=lambda model, decay: [{"params": [model.weight]}]),
        optimizer=spec,
        scheduler=Constant(),
        head={},
        trained=set(),
        total_steps=10,
        log_every=10,
        monitor=None,
        mode="min",
        validation_names=[],
    )
    return module.configure_optimizers()[0][0]


@pytest.mark.parametrize(
    "spec",
    [
        AdamW(lr=1e-2, fused=True),
        OptimizerLeaf("optimizer", "torch.optim.Adam", {"lr": 1e-2, "fused": True}),
    ],
)
def test_fused_optimizers_clip_gradients_without_their_loss_scale(spec):
    """In 16-bit precision Lightning refuses to clip for an optimizer that undoes the scale itself."""

    def weights(scale):
        model = OneWeight()
        parameter = model.weight
        optimizer = configured(spec, model)
        assert not _optimizer_handles_unscaling(optimizer)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        for power in (1, 2):
            optimizer.zero_grad()
            scaler.scale((parameter**power * 3).sum()).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_([parameter], 0.5)
            scaler.step(optimizer)
            scaler.update()
        return parameter.detach()

    torch.testing.assert_close(weights(scale=1024.0), weights(scale=1.0), rtol=0, atol=0)


@pytest.mark.parametrize("spec", [AdamW(lr=1e-2), SGD(lr=1e-2), Adafactor(lr=1e-3, beta1=0.9)])
def test_state_is_plain_data(spec):
    optimizer = trained(spec.build)[1]
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    other = trained(spec.build, steps=0)[1]
    other.load_state_dict(copy.deepcopy(loaded))
    assert other.state_dict().keys() == optimizer.state_dict().keys()
    assert len(other.state_dict()["state"]) == 4


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: AdamW(lr=0), "lr"),
        (lambda: AdamW(lr=1e-3, betas=(0.9, 1.0)), "betas"),
        (lambda: SGD(lr=1e-3, momentum=0, nesterov=True), "momentum"),
        (lambda: Adafactor(lr=1e-3, decay_rate=0.8), "decay_rate"),
        (lambda: AdamW(lr=1e-3, momentum=0.9), "momentum"),
    ],
)
def test_bad_values_are_refused(make, key):
    with pytest.raises(ValidationError, match=key):
        make()
