"""Gradual unfreezing, compared with layers that are frozen by hand."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.strategies.full import Full
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.module import FineTuning
from pipeline.training.optimizers import AdamW
from pipeline.training.schedulers import Constant
from tests.models import families

STEPS = 8


def batch(step: int) -> dict[str, torch.Tensor]:
    return {**families.batch(), "labels": torch.tensor([step % 2, 1, 0, 1])}


def ours(strategy: Full, epoch_of: Any = lambda step: 0) -> list[dict[str, torch.Tensor]]:
    """The weights after each step of the training module."""
    model = strategy.adapt(families.classifier("bert"))
    module = FineTuning(
        model,
        task=TextClassification(),
        strategy=strategy,
        optimizer=AdamW(lr=1e-2, weight_decay=0.1, fused=False),
        scheduler=Constant(warmup_steps=0),
        head={},
        trained=set(),
        total_steps=100,
        log_every=100,
        monitor=None,
        mode="min",
        validation_names=[],
    )
    trainer = SimpleNamespace(world_size=1, accumulate_grad_batches=1, global_step=0, current_epoch=0)
    module._trainer = trainer
    module.log = lambda *args, **kwargs: None
    (optimizer,), _ = module.configure_optimizers()
    seen = []
    for step in range(STEPS):
        trainer.global_step, trainer.current_epoch = step, epoch_of(step)
        module.training_step({"inputs": batch(step)}, 0).backward()
        module.on_before_optimizer_step(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        seen.append({name: weight.detach().clone() for name, weight in model.named_parameters()})
    return seen


def by_hand(stage_of: Any) -> list[dict[str, torch.Tensor]]:
    """The same with weights that need no gradient before their time."""
    model = families.classifier("bert")
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    plain = [weight for weight in model.parameters() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=1e-2,
        fused=False,
    )
    seen = []
    for step in range(STEPS):
        for name, weight in model.named_parameters():
            layer = re.search(r"layer\.(\d)", name)
            begins = 2 - int(layer[1]) if layer else 3 if "embeddings" in name else 0
            weight.requires_grad_(begins <= stage_of(step))
        model(**batch(step)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        seen.append({name: weight.detach().clone() for name, weight in model.named_parameters()})
    return seen


@pytest.mark.parametrize("unit", ["steps", "epoch"])
def test_layers_join_as_if_they_had_been_frozen(unit: str) -> None:
    if unit == "steps":
        mine = ours(Full(unfreeze_every=2, head_rate=1))
    else:
        mine = ours(Full(unfreeze_every="epoch", head_rate=1), epoch_of=lambda step: step // 2)
    start = dict(families.classifier("bert").named_parameters())
    for step, (found, expected) in enumerate(zip(mine, by_hand(lambda step: step // 2), strict=True)):
        for name, weight in found.items():
            if name.endswith("key.bias"):
                continue  # Attention does not see it: its gradient is rounding, of which Adam makes steps.
            torch.testing.assert_close(weight, expected[name], atol=1e-5, rtol=1e-4, msg=f"{name} in {step}")
        moved = {name for name, weight in found.items() if not torch.equal(weight, start[name])}
        assert ("classifier.weight" in moved) and (
            ("bert.embeddings.word_embeddings.weight" in moved) == (step >= 6)
        )


def test_the_plan_says_when_all_is_trained() -> None:
    model = families.classifier("bert")
    assert Full(unfreeze_every=50).describe(model)["unfreezing"] == (
        "head first, a layer more every 50 steps, all of it from step 151 on"
    )
    assert (
        "every epoch, all of it from epoch 4 on" in Full(unfreeze_every="epoch").describe(model)["unfreezing"]
    )


@pytest.mark.parametrize(
    ("family", "auto", "first", "last"),
    [
        ("bert", "AutoModel", {"pooler.dense.weight", "encoder.layer.1.output.dense.weight"}, 2),
        (
            "gpt2",
            "AutoModelForCausalLM",
            {"transformer.ln_f.weight", "transformer.h.1.attn.c_attn.weight"},
            2,
        ),
        ("marian", "AutoModelForSeq2SeqLM", {"model.decoder.layers.1.fc1.weight"}, 4),
        ("bart", "AutoModelForSequenceClassification", {"classification_head.dense.weight"}, 5),
    ],
)
def test_without_a_new_head_the_last_layer_is_first(
    family: str, auto: str, first: set[str], last: int
) -> None:
    model = families.random_model(family, auto)
    stages = Full(unfreeze_every=1).stages(model)
    assert first <= {name for name, stage in stages.items() if stage == 0}
    assert {stage for name, stage in stages.items() if "embed" in name or "wte" in name} == {last}
    assert max(stages.values()) == last
    said = Full(unfreeze_every=1).describe(model)["unfreezing"]
    assert said.startswith("head first" if family == "bart" else "last layer first")
