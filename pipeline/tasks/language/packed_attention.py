"""Whether an architecture keeps packed documents apart, found by trying it.

Given position numbers that begin anew with every document, and no padding mask, most architectures of transformers
attend within a document only (``find_packed_sequence_indices``); others take no notice of it, and recurrent ones
cannot. Which do changes with the version of transformers, so a small random model of the architecture is asked.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

# Attention kernels that are tried. Others get no mask from transformers that could keep anything apart.
KERNELS = ("eager", "sdpa")
# Sizes by names that transformers knows every architecture's under.
_SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 32,
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_FIRST = 5  # tokens of the first of two documents
_LENGTH = 12
# What an architecture raises that is not made for such sizes or inputs.
_STUMBLES: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError),
    *(LookupError, RuntimeError, TypeError, ValueError),
)
# Shares of the largest logit: what rounding may change, and what a token that is seen does change.
_SAME, _SEEN = 1e-4, 1e-3


@dataclass(frozen=True)
class Reading:
    """How an architecture reads. None: it could not be tried.

    forwards: no token sees those after it. apart: no packed document sees those before it.
    """

    forwards: bool | None
    apart: bool


def check_kernel(model: PreTrainedModel) -> None:
    """Raises BadInput for an attention kernel that would not keep packed documents apart."""
    kernel = model.config._attn_implementation
    if kernel not in KERNELS:
        what = f"{kernel} would let packed documents see each other"
        allowed = f"{' or '.join(f'model.attention={one}' for one in KERNELS)}; or task.packing=false"
        raise BadInput(Problem("model.attention", what, allowed))


def check_apart(config: PretrainedConfig) -> None:
    """Raises BadInput for an architecture that would read packed documents as one."""
    if not reading(config).apart:
        what = f"{config.model_type} does not keep packed texts apart"
        raise BadInput(Problem("task.packing", what, "task.packing=false"))


def reading(config: PretrainedConfig) -> Reading:
    """Tries a random causal model of the architecture in a small size, with every kernel that it has. Takes well under
    a second, and leaves torch's random numbers as they were."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        tried = [found for kernel in KERNELS if (found := _try(config, kernel)) is not None]
    if not tried:
        return Reading(None, False)
    return Reading(all(one.forwards for one in tried), all(one.apart for one in tried))


def _try(config: PretrainedConfig, kernel: str) -> Reading | None:
    """None where the architecture has not this kernel, or cannot be made small."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    small = _small(config)
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            small, attn_implementation=kernel, dtype=torch.float32
        ).eval()
        for weight in model.parameters():
            if weight.ndim > 1:  # As they are initialised, one token hardly changes another's logits.
                weight.normal_(0, 0.2)
        ids = torch.randint(5, 60, (2, _LENGTH))
        return Reading(_reads_forwards(model, ids), _keeps_apart(model, ids))
    except _STUMBLES:
        return None
    finally:
        logging.set_verbosity(verbosity)


def _small(config: PretrainedConfig) -> PretrainedConfig:
    small = copy.deepcopy(config)
    for name, value in _SMALL.items():
        if getattr(small, name, None) is not None or name.endswith("token_id"):
            try:
                setattr(small, name, value)
            except AttributeError:  # A property of some, which follows from other sizes.
                continue
    layers = config.num_hidden_layers
    kinds = [
        name for name, value in small.to_dict().items() if isinstance(value, list) and len(value) == layers
    ]
    for name in kinds:
        # Kinds of layers: one of each, so that none is missed.
        setattr(small, name, list(dict.fromkeys(map(_plain, getattr(small, name)))))
    if kinds:
        small.num_hidden_layers = max(len(getattr(small, name)) for name in kinds)
        for name in kinds:
            value = getattr(small, name)
            setattr(small, name, (value * small.num_hidden_layers)[: small.num_hidden_layers])
    return small


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _logits(model: Any, ids: Tensor, **inputs: Tensor) -> Tensor:
    return model(input_ids=ids, use_cache=False, **inputs).logits


def _differ(one: Tensor, other: Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    return float((one - other).abs().max() / one.abs().max())


def _reads_forwards(model: Any, ids: Tensor) -> bool:
    import torch

    changed = ids.clone()
    changed[:, -3] = 1
    mask = torch.ones_like(ids)
    one, other = (_logits(model, some, attention_mask=mask) for some in (ids, changed))
    return _differ(one[:, :-3], other[:, :-3]) < _SAME


def _keeps_apart(model: Any, ids: Tensor) -> bool:
    """Whether two documents side by side give the logits of each alone; and whether that shows anything."""
    import torch

    positions = torch.cat([torch.arange(_FIRST), torch.arange(_LENGTH - _FIRST)]).expand(len(ids), -1)
    parts = (ids[:, :_FIRST], ids[:, _FIRST:])
    alone = torch.cat([_logits(model, some, attention_mask=torch.ones_like(some)) for some in parts], 1)
    together = _logits(model, ids, attention_mask=torch.ones_like(ids))
    return (
        _differ(alone, together) > _SEEN
        and _differ(alone, _logits(model, ids, position_ids=positions)) < _SAME
    )
