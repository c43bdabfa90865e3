"""The loss over tokens is what transformers' own models compute."""

import pytest
import torch
import transformers

from pipeline.tasks import token_loss as module
from pipeline.tasks.token_loss import IGNORED, chosen_loss, token_loss


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 7, 11, generator=generator)
    targets = torch.randint(11, (3, 7), generator=generator)
    targets[0, 3:] = IGNORED
    return logits, targets


def test_it_is_the_loss_of_transformers(batch):
    config = transformers.BertConfig(
        vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    ids = torch.arange(7).repeat(3, 1)
    with torch.no_grad():
        made = model(input_ids=ids, labels=batch[1])
    loss, count = token_loss(made.logits, batch[1])
    assert float(loss / count) == pytest.approx(float(made.loss), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_chunks_change_nothing(batch, smoothing, monkeypatch: pytest.MonkeyPatch):
    expected = torch.nn.functional.cross_entropy(
        batch[0].flatten(0, 1), batch[1].flatten(), reduction="sum", label_smoothing=smoothing
    )
    monkeypatch.setattr(module, "_CHUNK", 4)
    loss, count = token_loss(*batch, smoothing)
    torch.testing.assert_close(loss, expected)
    assert count == 17


@pytest.mark.parametrize("chunk", [4, 100])
def test_tokens_that_are_chosen_already(batch, chunk, monkeypatch: pytest.MonkeyPatch):
    """And chunks that the backward pass computes again have the gradient, to the bit."""
    monkeypatch.setattr(module, "_CHUNK", chunk)
    wanted = batch[1] != IGNORED
    logits, targets = batch[0][wanted].requires_grad_(), batch[1][wanted]
    loss, count = chosen_loss(logits, targets)
    assert (loss, count) == token_loss(*batch)
    (gradient,) = torch.autograd.grad(loss, logits)
    kept = sum(
        torch.nn.functional.cross_entropy(some, right, reduction="sum")
        for some, right in zip(logits.split(chunk), targets.split(chunk), strict=True)
    )
    assert torch.equal(gradient, torch.autograd.grad(kept, logits)[0])


def test_without_targets_there_is_no_loss_but_a_graph(batch):
    logits = batch[0].requires_grad_()
    loss, count = token_loss(logits, torch.full_like(batch[1], IGNORED))
    assert (loss.item(), int(count)) == (0.0, 0)
