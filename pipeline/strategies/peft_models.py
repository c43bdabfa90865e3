"""What the strategies have in common that PEFT carries out: wrapping, saving, and PEFT's name of a model's task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import nn

# PEFT's name of what a model with such a head does, by the Auto class of transformers.
_TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
    "AutoModelForCausalLM": "CAUSAL_LM",
}


def wrapped(model: Any, config: PeftConfig) -> nn.Module:
    """``model`` as PEFT adapts it. Raises BadInput for what PEFT refuses."""
    from peft import get_peft_model

    from pipeline.strategies.parts import unread_weights

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Of PEFT's own use of transformers.
        warnings.filterwarnings("ignore", ".*eva initialization used with low_cpu_mem_usage.*")
        try:
            adapted = get_peft_model(model, config)
        except (ValueError, NotImplementedError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            what = f"PEFT cannot adapt {type(model).__name__}: {reason}"
            raise BadInput(
                Problem("strategy", what, "other strategy.modules, or another strategy")
            ) from error
    # PEFT goes by the ends of names, and takes ESM's contact_head for a trained head where one is called head.
    for weight in unread_weights(adapted):
        weight.requires_grad_(False)
    return adapted


def save(model: Any, folder: str) -> Sequence[str]:
    """Write the adapter, and the head with it, into ``folder``; the names of its files."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (Path(folder) / "README.md").unlink(missing_ok=True)  # PEFT's form for a model card, all of it blank.
    return ("adapter_config.json", "adapter_model.safetensors")


def task_type(model: Any) -> str | None:
    """None for a model with a head that PEFT has no name for."""
    import transformers

    for auto, name in _TASK_TYPES.items():
        known = getattr(transformers, auto)._model_mapping
        if type(model.config) in known and type(model) is known[type(model.config)]:
            return name
    return None


def with_trained_heads(model: Any) -> Any:
    """The transformers model inside of PEFT's, with the heads as they were trained in place of PEFT's pairs of them
    and their start; what an adapter that cannot be merged is put on."""
    from peft.utils import ModulesToSaveWrapper

    plain = model.get_base_model()
    for name, module in list(plain.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            plain.set_submodule(name, module.modules_to_save[module.active_adapters[0]])
    return plain
