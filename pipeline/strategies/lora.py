"""LoRA: low-rank updates of chosen Linear modules, with a head that is trained in full."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn

ALL_LINEAR = "all-linear"


@component
class Lora(Strategy):
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) by PEFT.

    Each chosen module's output gets ``(alpha / r) * B A x`` added, of which only A and B are trained. What
    lies outside the backbone is new or belongs to the task: it is trained in full and saved with the adapter.
    """

    # Names of modules, in full or their last parts (`query`, `attn.Wqkv`); all-linear: all of the backbone.
    modules: list[str] | str
    r: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput, with the names there are, where a name is no Linear module of the backbone."""
        from peft import LoraConfig, get_peft_model
        from transformers.pytorch_utils import Conv1D

        from pipeline.strategies.parts import head_names

        chosen = self.chosen(model)
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=sorted(chosen),
            modules_to_save=head_names(model),  # type: ignore[arg-type]
            # GPT-2's modules hold their weights transposed.
            fan_in_fan_out=all(isinstance(module, Conv1D) for module in chosen.values()),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Of PEFT's own use of transformers.
            return get_peft_model(model, config)

    def chosen(self, model: "nn.Module") -> "dict[str, nn.Module]":
        """The modules to adapt, by full name."""
        from pipeline.strategies.parts import linear_modules

        there = linear_modules(model)  # type: ignore[arg-type]
        if not there:
            what = f"{type(model).__name__} has no Linear modules in its backbone"
            raise BadInput(Problem("strategy", what, "strategy=full or strategy=frozen_backbone"))
        if self.modules == ALL_LINEAR:
            return there
        names = [self.modules] if isinstance(self.modules, str) else self.modules
        found = {name: {full for full in there if f".{full}".endswith(f".{name}")} for name in names}
        last_parts = sorted({full.rpartition(".")[2] for full in there})
        problems = [
            Problem(
                "strategy.modules",
                f"{name!r} is no Linear module of {type(model).__name__}",
                f"{ALL_LINEAR}, {listing(last_parts)}, or a full name",
                nearest(name, [ALL_LINEAR, *last_parts, *there]),
            )
            for name in names
            if not found[name]
        ]
        if not names:
            problems = [Problem("strategy.modules", "is empty", f"{ALL_LINEAR}, {listing(last_parts)}")]
        if problems:
            raise BadInput(problems)
        matched = set().union(*found.values())
        return {full: module for full, module in there.items() if full in matched}

    def merge(self, model: Any) -> "nn.Module":
        """The updates added to the weights that they belong to. ``model`` is used up."""
        return model.merge_and_unload()

    def save(self, model: Any, folder: str) -> Sequence[str]:
        """The adapter as PEFT loads it: its configuration, its weights and those of the head."""
        model.save_pretrained(folder, save_embedding_layers=False)
        (Path(folder) / "README.md").unlink(missing_ok=True)  # PEFT's form for a model card, all of it blank.
        return ("adapter_config.json", "adapter_model.safetensors")
