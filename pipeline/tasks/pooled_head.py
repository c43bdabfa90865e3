"""What of a text the head reads, and how many layers it has: options that classifiers of texts and of tokens share.

Without any of them the head is the one that transformers puts on the architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.errors import Problem, listing

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Pooling = Literal["auto", "mean", "max", "cls", "last", "attention"]
HeadLayers = list[Annotated[int, Field(ge=1)]]
HeadDropout = Annotated[float, Field(ge=0, lt=1)] | None

# The heads of a model's yaml that say that its tokens can be read.
_READABLE = ("backbone", "text_encoding")


def head_of_text(
    config: PretrainedConfig, pooling: Pooling | None, layers: Sequence[int], dropout: float | None
) -> dict[str, Any] | None:
    """What :meth:`Checkpoint.build` makes a head of; None for the head of transformers.

    config: the checkpoint's. Where nothing is asked for, a checkpoint keeps the head that it has. ``auto`` does the
    same where the checkpoint is a classifier; of any other encoder the tokens are pooled as it was trained to
    (``sentence-transformers`` says how in a file), or else averaged; and decoders and encoder-decoders have the head
    of transformers, which reads the last token.
    """
    from pipeline.tasks.embedding.pooling import usual_pooling

    shaped = bool(layers) or dropout is not None
    if not shaped and pooling in (None, "auto"):
        if pooling is None or _is_classifier(config):
            own = getattr(config, "pooled_head", None)
            return own if own and own["pooling"] else None
        if config.is_encoder_decoder or usual_pooling(config) == "last":
            return None
    chosen = usual_pooling(config) if pooling in (None, "auto") else pooling
    return {"pooling": chosen, "head_layers": list(layers), "head_dropout": dropout}


def _is_classifier(config: PretrainedConfig) -> bool:
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or [])


def head_of_tokens(
    config: PretrainedConfig, layers: Sequence[int], dropout: float | None
) -> dict[str, Any] | None:
    """The same where every token has an answer."""
    if layers or dropout is not None:
        return {"pooling": None, "head_layers": list(layers), "head_dropout": dropout}
    own = getattr(config, "pooled_head", None)
    return own if own and not own["pooling"] else None


def described(head: Mapping[str, Any] | None) -> dict[str, str]:
    """What a plan says of the head, where it is one of these."""
    if head is None:
        return {}
    layers = f"hidden layers {listing(map(str, head['head_layers']))}" if head["head_layers"] else "linear"
    return {"head": f"{head['pooling']} pooling, {layers}" if head["pooling"] else layers}


def problems(task: Any, spec: Any) -> Iterator[Problem]:
    """A model whose yaml says that it is nothing without a head has no tokens to be read."""
    heads = spec.model.heads
    if heads is None or any(head in _READABLE for head in heads):
        return
    asked = {name: getattr(task, name, None) for name in ("pooling", "head_layers", "head_dropout")}
    for name, value in asked.items():
        if value not in (None, [], "auto"):
            what = f"model={spec.choices.get('model') or '…'} has no backbone whose tokens could be read"
            yield Problem(f"task.{name}", what, "null" if name != "head_layers" else "[]")
            return
