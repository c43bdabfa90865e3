"""A frozen part of a model that hands on what it is given, and computes nothing.

Modules stay where they are in the model, under their names; only what they do when they are called is exchanged, until
:meth:`StandIns.restore`. While nothing is given they do what they always did.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from pipeline.strategies.cuts import LayersBelow, OutputOf, Read


@dataclass
class _Outputs(ModelOutput):
    """What a backbone may give, under all names that heads ask for."""

    last_hidden_state: Any = None
    pooler_output: Any = None
    past_key_values: Any = None
    hidden_states: Any = None
    attentions: Any = None
    cross_attentions: Any = None
    mems: Any = None
    decoder_hidden_states: Any = None
    decoder_attentions: Any = None
    encoder_last_hidden_state: Any = None
    encoder_hidden_states: Any = None
    encoder_attentions: Any = None


class _Reached(Exception):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value


class StandIns:
    """Base. ``given``: what is handed on, with a first dimension of texts."""

    def __init__(self) -> None:
        self.value: Tensor | None = None
        self.recording = False
        # How many things a skipped layer returns in a tuple; None: a tensor alone.
        self.returned: int | None = None
        self._changed: list[nn.Module] = []
        self._frozen: list[nn.Module] = []

    @contextmanager
    def given(self, value: Tensor | None) -> Iterator[None]:
        """Within, the frozen part hands on ``value``; None: what it computes."""
        before, self.value = self.value, value
        try:
            yield
        finally:
            self.value = before

    def record(self, model: nn.Module, inputs: Mapping[str, Any]) -> Tensor:
        """What the frozen part hands on for these inputs; nothing above it is computed."""
        self.recording = True
        try:
            model(**inputs)
        except _Reached as reached:
            return reached.value
        finally:
            self.recording = False
        raise RuntimeError(f"{type(model).__name__} does not use the part of it that is frozen")

    def stay(self) -> None:
        """The frozen part is not moved to another device with the rest of the model: it is not used there."""
        for module in self._frozen:
            module._apply = _staying(module)  # type: ignore[method-assign]

    def restore(self) -> None:
        """Make the modules what they were."""
        for module in self._changed:
            for name in ("forward", "features"):
                module.__dict__.pop(name, None)
        for module in self._frozen:
            module.__dict__.pop("_apply", None)

    def _exchange(
        self,
        module: nn.Module,
        make: Callable[[Callable[..., Any]], Callable[..., Any]],
        method: str = "forward",
    ) -> None:
        real = getattr(module, method)
        module.__dict__[method] = wraps(real)(make(real))
        self._changed.append(module)


def _staying(module: nn.Module) -> Callable[..., nn.Module]:
    def apply(change: Any, recurse: bool = True) -> nn.Module:
        return module

    return apply


class OutputGiven(StandIns):
    """In place of a whole module, as a backbone or an encoder, of which one output is read."""

    def __init__(self, model: nn.Module, cut: OutputOf) -> None:
        super().__init__()
        module = model.get_submodule(cut.module)

        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                if self.value is not None:
                    # Heads count outputs, and the hidden states come first whether they are read or not.
                    return _Outputs(**{"last_hidden_state": self.value, cut.field: self.value})
                made = real(*args, **kwargs)
                if self.recording:
                    raise _Reached(made[cut.field])
                return made

            return forward

        self._exchange(module, make)
        self._frozen = [module]


class FeaturesGiven(StandIns):
    """In place of the backbone of a pooled model, and of a pooling without weights."""

    def __init__(self, model: Any) -> None:
        super().__init__()

        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def features(*args: Any, **kwargs: Any) -> Tensor:
                if self.value is not None:
                    return self.value
                made = real(*args, **kwargs)
                if self.recording:
                    raise _Reached(made)
                return made

            return features

        self._exchange(model, make, "features")
        self._frozen = [model.base_model]


class LayersSkipped(StandIns):
    """In place of the layers below the first trained one, which then reads what is given."""

    def __init__(self, model: nn.Module, cut: LayersBelow) -> None:
        super().__init__()
        layers: Any = model.get_submodule(cut.layers)
        for layer in layers[: cut.number]:
            self._skip(layer)
        self._enter(layers[cut.number])

    def _skip(self, layer: Any) -> None:
        names = list(inspect.signature(layer.forward).parameters)
        # T5's first layer has the positions' bias of all of them.
        attention = layer.layer[0].SelfAttention if "position_bias" in names else None
        has_bias = getattr(attention, "has_relative_attention_bias", False)

        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                if self.value is None:
                    made = real(*args, **kwargs)
                    self.returned = len(made) if isinstance(made, tuple) else None
                    return made
                asked = {**dict(zip(names, args, strict=False)), **kwargs}
                hidden = asked[names[0]]
                if self.returned is None:
                    return hidden
                rest: list[Any] = [None] * (self.returned - 1)
                if attention is not None:
                    length = hidden.shape[1]
                    bias = attention.compute_bias(length, length, hidden.device) if has_bias else None
                    rest[0] = bias if has_bias else asked.get("position_bias")
                return (hidden, *rest)

            return forward

        self._exchange(layer, make)
        if not has_bias:
            self._frozen.append(layer)

    def _enter(self, layer: Any) -> None:
        first = next(iter(inspect.signature(layer.forward).parameters))

        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                if self.recording:
                    raise _Reached(args[0] if args else kwargs[first])
                if self.value is None:
                    return real(*args, **kwargs)
                if args:
                    return real(self.value, *args[1:], **kwargs)
                return real(**{**kwargs, first: self.value})

            return forward

        self._exchange(layer, make)


def what_is_read(
    model: Any, cut: OutputOf, inputs: Mapping[str, Tensor], real: Tensor, width: int
) -> OutputOf | None:
    """``cut`` with what the head reads of the module's outputs; None where it reads none that is known.

    What is read has a gradient: so it is asked of a model on the meta device, whose head gets random weights, with
    random outputs of ``width`` numbers in place of those of the module, which is never computed.
    real: (texts, tokens) whether a place holds a token. Uses the model up.
    """
    module = model.get_submodule(cut.module)
    inside = set(module.modules())
    for part in model.modules():
        if part not in inside:
            _materialise(part)
    texts, tokens = real.shape
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(texts, tokens, width, generator=generator).requires_grad_()
    pooled = torch.randn(texts, width, generator=generator).requires_grad_()
    module.forward = lambda *args, **kwargs: _Outputs(last_hidden_state=hidden, pooler_output=pooled)
    made = model.eval()(**inputs)
    outputs = [value for value in made.values() if isinstance(value, Tensor) and value.grad_fn is not None]
    sum((torch.randn(value.shape, generator=generator) * value).sum() for value in outputs).backward()  # type: ignore[union-attr]
    if pooled.grad is not None and hidden.grad is None:
        return replace(cut, field="pooler_output", read="text")
    if hidden.grad is None or pooled.grad is not None:
        return None
    places = hidden.grad.abs().sum(-1) > 0
    return replace(cut, field="last_hidden_state", read=_which(places, real))


def _materialise(part: nn.Module) -> None:
    """Random weights in place of those without memory that are the module's own."""
    for name, weight in part.named_parameters(recurse=False):
        setattr(part, name, nn.Parameter(torch.randn(weight.shape) * 0.1))
    for name, buffer in part.named_buffers(recurse=False):
        setattr(part, name, torch.zeros(buffer.shape, dtype=buffer.dtype))


def _which(read: Tensor, real: Tensor) -> Read:
    """read, real: (texts, tokens) bool."""
    number = real.cumsum(-1) * real
    if torch.equal(read, number == 1):
        return "first"
    return "last" if torch.equal(read, real & (number == real.sum(-1, keepdim=True))) else "all"
