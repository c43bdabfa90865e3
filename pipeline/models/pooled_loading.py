"""Pooled models (`pipeline.models.pooled`) among those of transformers: what a checkpoint of one is, and how any
checkpoint becomes one.

transformers is told of the class, so that a folder with such a model is read by ours and never by the code in it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.models import loading
from pipeline.models.heads import AUTO_CLASSES, heads_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

# The architecture's name in config.json.
MODEL_TYPE = "pooled_backbone"
# What of a text model can be pooled: its backbone, or the encoder of an encoder-decoder.
BACKBONES = ("backbone", "text_encoding")
# What says of a configuration what its head is, and what it is for; the rest is the architecture.
_HEAD = ("pooling", "head_layers", "head_dropout")
_LABELS = ("id2label", "label2id", "problem_type")
_NOT_FACTS = ("model_type", "transformers_version", "auto_map", "backbone_config", "backbone_class", "dtype")
# Where the head of a checkpoint's own stands in the configuration of its architecture while it is in memory.
_OWN = "pooled_head"


@functools.cache
def code() -> Path:
    """The file that is saved beside a pooled model's weights, of which transformers is told here."""
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
    )

    from pipeline.models import pooled

    AutoConfig.register(MODEL_TYPE, pooled.PooledConfig, exist_ok=True)
    pooled.PooledConfig.register_for_auto_class()
    for auto, cls in (
        (AutoModelForSequenceClassification, pooled.PooledForSequenceClassification),
        (AutoModelForTokenClassification, pooled.PooledForTokenClassification),
    ):
        auto.register(pooled.PooledConfig, cls, exist_ok=True)
        cls.register_for_auto_class(auto.__name__)
    return Path(pooled.__file__)


def is_pooled(config: PretrainedConfig) -> bool:
    return config.model_type == MODEL_TYPE


def architecture(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of what reads the tokens: the one inside of a pooled model's, or itself."""
    return config.backbone_config if is_pooled(config) else config


def unwrapped(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of the backbone, with what a pooled model's says of its labels, and of its head in
    ``pooled_head``; any other configuration as it is."""
    if not is_pooled(config):
        return config
    values = {name: value for name, value in config.to_diff_dict().items() if name not in _NOT_FACTS}
    inner = copy.deepcopy(config.backbone_config)
    inner.update({name: value for name, value in values.items() if name not in _HEAD})
    inner.update({name: getattr(config, name) for name in _LABELS})
    inner._name_or_path = config._name_or_path
    setattr(inner, _OWN, {name: getattr(config, name) for name in _HEAD})
    return inner


def own_head(config: PretrainedConfig) -> dict[str, Any] | None:
    """The head of the pooled model that a checkpoint is, None where it is none; ``config`` is what :func:`unwrapped`
    gave."""
    return getattr(config, _OWN, None)


def without_head(config: PretrainedConfig) -> None:
    """Forget in ``config`` what :func:`own_head` says, which is no part of an architecture."""
    vars(config).pop(_OWN, None)


def wrapped(
    config: PretrainedConfig, head: Mapping[str, Any], facts: Mapping[str, Any], dropout: float | None
) -> PretrainedConfig:
    """The configuration of a pooled model.

    config: of the architecture. head: ``pooling``, ``head_layers`` and ``head_dropout``. facts: what else is to be
    known of the model (labels, ranges). dropout: that of the head where ``head_dropout`` is None. Raises BadInput for
    an architecture without a backbone that can be pooled, or with several.
    """
    code()
    from pipeline.models.pooled import PooledConfig

    kinds = [kind for kind in BACKBONES if kind in heads_of(config)]
    if not kinds:
        what = f"{config.model_type} has no backbone whose tokens could be pooled"
        raise BadInput(Problem("task.pooling", what, "null; or an encoder, a decoder, or T5"))
    if len(several := loading.bare_classes(config)) > 1:
        what = f"{config.model_type} has {len(several)} backbones, not all of which have a vector for every token"
        raise BadInput(Problem("task.pooling", what, "null; or an encoder, a decoder, or T5"))
    inner = copy.deepcopy(config)
    without_head(inner)
    for name in (*facts, *_LABELS, "architectures"):
        vars(inner).pop(name, None)
    inner = type(inner).from_dict(inner.to_dict())
    inner.use_cache, inner._name_or_path = False, ""
    kind: Any = kinds[0]
    shape = {name: value for name, value in head.items() if value is not None}
    if dropout is not None:
        shape.setdefault("head_dropout", dropout)
    return PooledConfig(backbone_config=inner, backbone_class=AUTO_CLASSES[kind], **shape, **facts)


def same_head(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether weights of one are weights of the other: dropout has none."""
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in ("pooling", "head_layers"))


def filled(
    auto: Any, folder: str, source: PretrainedConfig, config: PretrainedConfig, **options: Any
) -> tuple[PreTrainedModel, loading.LoadReport]:
    """A model with the backbone of the checkpoint in ``folder`` and a head that is new.

    source: the configuration of the checkpoint's architecture, as :func:`unwrapped` gives it; config: that of the
    model. Either may be a pooled model, or both. Raises BadInput for weights that cannot be read.
    """
    with loading.reading(folder):
        model, info = _filled(auto, folder, source, config, options)
    return model, loading.report_of(model, info, folder)


def _filled(
    auto: Any, folder: str, source: PretrainedConfig, config: PretrainedConfig, options: dict[str, Any]
) -> Any:
    """The model, and what transformers says of its loading."""
    import torch

    plain = {name: value for name, value in options.items() if name not in loading.ON_META}
    empty = loading.on_meta(auto, config, **plain)
    places = set(empty.state_dict())
    prefix = "" if empty.base_model is empty else f"{empty.base_model_prefix}."
    weights, found = _backbone(folder, source, options)
    cls: Any = type(empty)
    model, info = cls.from_pretrained(
        None,
        config=config,
        state_dict={f"{prefix}{name}": value for name, value in weights.items() if prefix + name in places},
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    missing = {f"{prefix}{name}" for name in found["missing_keys"]}
    info["missing_keys"] = set(info["missing_keys"]) | (missing & places)
    info["mismatched_keys"] = [(prefix + name, *shapes) for name, *shapes in found["mismatched_keys"]]
    unused = {name for name in weights if prefix + name not in places and prefix + name not in missing}
    info["unexpected_keys"] = set(found["unexpected_keys"]) | unused
    return model, info


def _backbone(folder: str, source: PretrainedConfig, options: dict[str, Any]) -> Any:
    """The weights of the checkpoint's backbone by name, and what transformers says of their loading."""
    import transformers

    kind: Any = next(kind for kind in BACKBONES if kind in heads_of(source))
    auto = getattr(transformers, AUTO_CLASSES[kind])
    # A model that was loaded with renamed weights is saved with the old names: only its weights go on from here.
    renamed = {"key_mapping": {r"^backbone\.": ""}} if own_head(source) else {}
    backbone, found = loading.read(auto, folder, source, {**options, **renamed})
    return backbone.state_dict(), found
