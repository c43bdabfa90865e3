"""The arithmetic of a training step is counted as torch counts it, and a machine is measured once."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.launch import speed
from pipeline.launch.machine import Machine
from pipeline.strategies.frozen_backbone import FrozenBackbone
from pipeline.strategies.full import Full
from pipeline.strategies.lora import Lora
from tests.models import families

MACHINE = Machine("cpu", 1, "32", None, 1)


def counted(model: Any, tokens: int) -> float:
    """Operations of a step for each token, counted by torch while it runs, without attention between tokens."""
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.full((4, tokens), 5), labels=torch.zeros(4, dtype=torch.long)).loss.backward()
    counts = counter.get_flop_counts()["Global"]
    total = sum(count for name, count in counts.items() if str(name) in ("aten.mm", "aten.addmm"))
    return total / (4 * tokens)


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("strategy", [Full(), FrozenBackbone(), Lora(modules="all-linear", r=2)])
def test_as_torch_counts(family: str, strategy: Any) -> None:
    model = strategy.adapt(families.classifier(family))
    # Head and pooler see one token of many, and the gradient of the first layer's input is not needed.
    assert speed.flops_per_token(model) == pytest.approx(counted(model, 16), rel=0.25)


def test_more_is_trained_more_is_computed() -> None:
    full, lora, frozen = (
        speed.flops_per_token(strategy.adapt(families.classifier("bert")))
        for strategy in (Full(), Lora(modules=["query"], r=2), FrozenBackbone())
    )
    assert frozen < lora < full


def test_a_machine_is_measured_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path))
    measured = speed.matrix_rate(MACHINE)
    assert measured > 1e8
    monkeypatch.setattr(speed, "measured_rate", lambda _: pytest.fail("measured again"))
    assert speed.matrix_rate(MACHINE) == measured
    two = Machine("cpu", 2, "32", None, 1)
    assert speed.tokens_per_second(1000, two) == pytest.approx(2 * speed.SHARE * measured / 1000)
