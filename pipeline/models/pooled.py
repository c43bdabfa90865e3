"""Classifiers that read more than the first token: any backbone of transformers, a pooling of its tokens, and a head.

This file is saved beside the weights of such a model and needs nothing but torch and transformers:

    AutoModelForSequenceClassification.from_pretrained(FOLDER, trust_remote_code=True)
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput


class PooledConfig(PretrainedConfig):
    """What the head is, with the configuration of the backbone inside.

    backbone_class: the Auto class of the backbone: AutoModel, or AutoModelForTextEncoding of an encoder-decoder.
    pooling: mean, max, cls (first token), last (last token) or attention; None where every token has an answer.
    head_layers: sizes of the hidden layers of the head; none: it is linear.
    head_dropout: in front of every layer of the head.
    """

    model_type = "pooled_backbone"
    sub_configs = {"backbone_config": AutoConfig}

    def __init__(
        self,
        backbone_config: Any = None,
        backbone_class: str = "AutoModel",
        pooling: str | None = None,
        head_layers: Sequence[int] = (),
        head_dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        if isinstance(backbone_config, dict):
            backbone_config = AutoConfig.for_model(**backbone_config)
        self.backbone_config = backbone_config
        self.backbone_class = backbone_class
        self.pooling = pooling
        self.head_layers = list(head_layers)
        self.head_dropout = head_dropout
        super().__init__(**kwargs)

    def get_text_config(self, *args: Any, **kwargs: Any) -> Any:
        own = self.backbone_config is None
        return super().get_text_config(*args, **kwargs) if own else self.backbone_config


class AttentionPooling(nn.Module):
    """The mean of all tokens, weighted by learned attention (Yang et al. 2016, section 2.2)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.project = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        scores = self.query(torch.tanh(self.project(hidden))).squeeze(-1).float()
        shares = scores.masked_fill(mask == 0, float("-inf")).softmax(-1).unsqueeze(-1)
        return (shares * _without_padding(hidden, mask, 0.0)).sum(1).to(hidden.dtype)


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Hidden states (examples, tokens, hidden size) to one vector an example, whichever side is padded."""
    if pooling == "mean":
        total = _without_padding(hidden, mask, 0.0).sum(1)
        return (total / mask.sum(1, keepdim=True).clamp(min=1)).to(hidden.dtype)
    if pooling == "max":
        return _without_padding(hidden, mask, float("-inf")).amax(1).to(hidden.dtype)
    places = torch.arange(hidden.shape[1], device=hidden.device).expand(mask.shape)
    if pooling == "cls":
        chosen = places.masked_fill(mask == 0, hidden.shape[1]).argmin(1)
    elif pooling == "last":
        chosen = places.masked_fill(mask == 0, -1).argmax(1)
    else:
        raise ValueError(f"pooling is {pooling!r}, not mean, max, cls, last or attention")
    return hidden[torch.arange(len(hidden), device=hidden.device), chosen]


def _mask(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    return hidden.new_ones(hidden.shape[:2]) if attention_mask is None else attention_mask


def _without_padding(hidden: Tensor, mask: Tensor, value: float) -> Tensor:
    # Padding may hold anything, so it is left out rather than multiplied by zero.
    return hidden.float().masked_fill(mask.unsqueeze(-1) == 0, value)


def _backbone(config: PooledConfig) -> Any:
    dtype = torch.get_default_dtype()
    model = getattr(transformers, config.backbone_class).from_config(config.backbone_config, dtype=dtype)
    if getattr(model, "pooler", None) is not None:
        # BERT's own, which reads the first token and is optional in all its kin.
        model.pooler = None
    return model


def _width(config: PooledConfig) -> int:
    """The size of the vector that the backbone has for a token."""
    inner = config.backbone_config
    if inner.model_type == "reformer":
        # Its layers are reversible, and both of their halves come out.
        return 2 * inner.hidden_size
    # Some OPT models have it other than their layers do.
    return getattr(inner, "word_embed_proj_dim", inner.hidden_size)


def _head(config: PooledConfig) -> nn.Sequential:
    sizes = [_width(config), *config.head_layers]
    labels: Any = config.num_labels
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes):
        layers += [nn.Dropout(config.head_dropout), nn.Linear(size, following), nn.GELU()]
    return nn.Sequential(*layers, nn.Dropout(config.head_dropout), nn.Linear(sizes[-1], labels))


class PooledModel(PreTrainedModel):
    """A backbone and a head. What the head reads can be computed once: :meth:`classify` of :meth:`features`."""

    config_class = PooledConfig
    base_model_prefix = "backbone"
    output: type[Any]
    supports_gradient_checkpointing = True
    # Whether it is so is up to the backbone, which is asked too.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True

    def __init__(self, config: PooledConfig) -> None:
        super().__init__(config)
        self.backbone = _backbone(config)
        self.pool = None
        if config.pooling == "attention":
            self.pool = AttentionPooling(_width(config))
        self.head = _head(config)
        self.post_init()

    def get_input_embeddings(self) -> Any:
        return self.backbone.get_input_embeddings()

    def set_input_embeddings(self, value: Any) -> None:
        self.backbone.set_input_embeddings(value)

    def features(self, attention_mask: Tensor | None = None, **inputs: Any) -> Tensor:
        """What the weights outside of the backbone read of ``inputs``.

        (examples, hidden size) of poolings without weights; hidden states (examples, tokens, hidden size) where
        attention is learned, or every token has an answer.
        """
        hidden = self.backbone(attention_mask=attention_mask, **inputs).last_hidden_state
        if self.pool is not None or self.config.pooling is None:
            return hidden
        return pool(hidden, _mask(hidden, attention_mask), self.config.pooling)

    def classify(self, features: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Logits, of an example or of a token, from what :meth:`features` gave."""
        if self.pool is not None:
            features = self.pool(features, _mask(features, attention_mask))
        return self.head(features)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """That of transformers for ``labels``."""
        raise NotImplementedError

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        inputs = {
            "input_ids": input_ids,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
        }
        given = {name: value for name, value in inputs.items() if value is not None}
        logits = self.classify(self.features(attention_mask=attention_mask, **given), attention_mask)
        return self.output(logits=logits, loss=None if labels is None else self.loss(logits, labels))


class PooledForSequenceClassification(PooledModel):
    """Classes or numbers of a text: logits (examples, labels)."""

    output = SequenceClassifierOutput

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.loss_function(labels=labels, pooled_logits=logits, config=self.config)


class PooledForTokenClassification(PooledModel):
    """A class for every token: logits (examples, tokens, labels)."""

    output = TokenClassifierOutput

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.loss_function(logits, labels, self.config)
