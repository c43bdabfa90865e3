"""Gradients of an optimizer step do not depend on how it is cut into batches; checked against the model's own loss."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from pipeline import train
from pipeline.strategies.full import Full
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.module import FineTuning
from pipeline.training.optimizers import AdamW
from pipeline.training.schedulers import Constant
from tests.conftest import manifest_of, only_run
from tests.outcomes import code_of


def gradients(cuts: list[slice], weights: list[float] | None = None) -> list[torch.Tensor]:
    """What the optimizer sees after a step over 8 examples, cut as given."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(
        vocab_size=50, **sizes, num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    config.class_weights = weights
    model = BertForSequenceClassification(config)
    batch = {"input_ids": torch.randint(5, 50, (8, 6)), "labels": torch.tensor([0, 1, 1, 1, 0, 1, 1, 1])}
    module = FineTuning(
        model,
        task=TextClassification(),
        strategy=Full(learning_rate=1e-3),
        optimizer=AdamW(lr=1e-3),
        scheduler=Constant(),
        head={},
        trained=set(),
        total_steps=100,
        log_every=100,
        monitor=None,
        mode="min",
        validation_names=[],
    )
    module._trainer = SimpleNamespace(
        world_size=1, accumulate_grad_batches=len(cuts), global_step=0, current_epoch=0
    )
    module.log = lambda *args, **kwargs: None
    for cut in cuts:
        part = {"inputs": {name: value[cut] for name, value in batch.items()}}
        # Lightning divides by the number of accumulated batches.
        (module.training_step(part, 0) / len(cuts)).backward()
    module.on_before_optimizer_step(torch.optim.SGD(model.parameters()))
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    if weights is None:
        model.zero_grad()
        model(**batch).loss.backward()
        for mine, own in zip(found, [p.grad for p in model.parameters() if p.grad is not None], strict=True):
            torch.testing.assert_close(mine, own, atol=1e-6, rtol=1e-4)
    return found


@pytest.mark.parametrize("weights", [None, [1.0, 5.0]])
@pytest.mark.parametrize("cuts", [[slice(0, 3), slice(3, 8)], [slice(0, 1), slice(1, 7), slice(7, 8)]])
def test_cutting_a_step_does_not_change_it(cuts: list[slice], weights: list[float] | None):
    for cut, whole in zip(gradients(cuts, weights), gradients([slice(0, 8)], weights), strict=True):
        torch.testing.assert_close(cut, whole, atol=1e-6, rtol=1e-4)


def test_a_step_without_targets_changes_nothing():
    for cuts in ([slice(0, 8)], [slice(0, 4), slice(4, 8)]):
        assert all(not gradient.any() for gradient in gradients(cuts, [0.0, 0.0]))


# The classifier's weights grow past the largest float within a few steps.
DIVERGING = ["optimizer=sgd", "optimizer.lr=1e25", "trainer.gradient_clip=null", "trainer.max_steps=12"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["trainer.log_every=1"], r"loss is (nan|inf) at step \d"),
        (["trainer.log_every=100"], "weights are not finite at step 6"),  # the end of the epoch, to be scored
        (
            ["trainer.log_every=100", "trainer.evaluate_every=100", "callbacks.checkpoint.every_steps=1"],
            r"weights are not finite at step \d",
        ),
        (
            ["trainer.log_every=100", "trainer.evaluate_every=100", "callbacks=none"],
            "loss is nan at step 12",
        ),
    ],
)
def test_a_run_that_diverges_fails_and_leaves_no_such_weights(
    keys: list[str],
    said: str,
    small: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert code_of(train.main, *small, *DIVERGING, *keys) == 1
    shown = capsys.readouterr().err
    assert re.search(f"failed: {said}", shown) and "Traceback" not in shown, shown
    assert "optimizer.lr (now 1e+25)" in shown and "trainer.gradient_clip (now null)" in shown
    manifest = manifest_of(only_run(tmp_path))
    assert manifest["state"] == "failed" and re.search(said, manifest["error"])
    written = [torch.load(path, weights_only=True) for path in tmp_path.glob("outputs/**/*.ckpt")]
    assert all(value.isfinite().all() for ckpt in written for value in ckpt["state_dict"].values())
    assert len(written) == ("callbacks.checkpoint.every_steps=1" in keys)
