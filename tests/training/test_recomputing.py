"""Activations that are computed again give the same gradients, wherever the layers' inputs wait meanwhile."""

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from pipeline.errors import BadInput
from pipeline.strategies.base import Strategy
from pipeline.strategies.full import Full
from pipeline.strategies.lora import Lora
from pipeline.training.recomputing import recompute_activations
from tests.models import families


class Elsewhere(torch.autograd.graph.saved_tensors_hooks):
    """`save_on_cpu` as it is with a GPU: what is kept is a copy, which is brought back once it is asked for."""

    shapes: list[torch.Size]

    def __init__(self, *, pin_memory: bool) -> None:
        assert pin_memory == torch.cuda.is_available()
        super().__init__(self.away, Tensor.clone)

    def away(self, tensor: Tensor) -> Tensor:
        self.shapes.append(tensor.shape)
        return tensor.detach().clone()


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Shapes of what was copied elsewhere."""
    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", Elsewhere)
    monkeypatch.setattr(Elsewhere, "shapes", [], raising=False)
    return Elsewhere.shapes


def learned(model: nn.Module) -> dict[str, Tensor]:
    """Gradients; dropout, which is drawn again too, leaves out the same every time."""
    torch.manual_seed(1)
    model.train()(**families.batch()).logits.square().sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("strategy", [Full(), Lora(modules="all-linear")], ids=["full", "lora"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "modernbert", "t5", "bart"])
def test_gradients_are_the_same(family: str, strategy: Strategy, copied: list[torch.Size]):
    def made() -> nn.Module:
        torch.manual_seed(0)
        return strategy.adapt(families.classifier(family)).double()

    kept = learned(made())
    again, waiting = made(), made()
    recompute_activations(again)
    found = learned(again)
    assert not copied
    recompute_activations(waiting, offload=True)
    brought_back = learned(waiting)
    assert copied
    assert brought_back.keys() == found.keys() == kept.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda said, name=name: f"{name}: {said}")
        torch.testing.assert_close(
            brought_back[name], gradient, msg=lambda said, name=name: f"{name}: {said}"
        )


@pytest.mark.parametrize("offload", [False, True])
def test_the_inputs_of_layers_alone_wait_elsewhere(offload: bool, copied: list[torch.Size]):
    model = families.classifier("llama").train()
    recompute_activations(model, offload=offload)
    layers, read = model.model.layers, []
    for layer in layers:
        layer.register_forward_pre_hook(
            lambda _, inputs: read.append(StorageWeakRef(inputs[0].untyped_storage()))
        )
    loss = model(**families.batch()).logits.square().sum()
    assert [storage.expired() for storage in read] == [offload] * len(layers)
    loss.backward()
    hidden = (*families.batch()["input_ids"].shape, model.config.hidden_size)
    assert copied == [hidden] * len(layers) * offload


def test_a_model_that_cannot_is_refused():
    with pytest.raises(BadInput, match=r"hardware\.recompute.*Linear cannot compute activations again"):
        recompute_activations(nn.Linear(2, 2), offload=True)
