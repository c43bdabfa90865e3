"""(IA)³: vectors that scale keys, values and the inside of feed-forward layers, with a head that is trained in full."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing
from pipeline.strategies.base import Strategy

if TYPE_CHECKING:
    from torch import nn


@component
class IA3(Strategy):
    """Learned rescaling (Liu et al. 2022, arXiv:2205.05638) by PEFT: a few numbers a layer, merged in the end."""

    # Names of the Linear modules whose output is scaled, as for `lora`. null: PEFT's choice for the architecture.
    modules: list[str] | str | None = None
    # Those among them whose input is scaled instead. null: PEFT's choice, or none with modules of your own.
    feedforward_modules: list[str] | str | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 3e-2

    @model_validator(mode="after")
    def _belong_together(self) -> "IA3":
        if self.feedforward_modules is not None and self.modules is None:
            raise ValueError("feedforward_modules are some of the modules, so these have to be named too")
        return self

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput for names of no module, and for an architecture that PEFT has no choice for."""
        from peft import IA3Config
        from transformers.pytorch_utils import Conv1D

        from pipeline.strategies import peft_models
        from pipeline.strategies.parts import whole_modules
        from pipeline.strategies.targets import chosen

        names, forward_names = self._names(model)
        modules = chosen(model, names)
        forward = chosen(model, forward_names, "strategy.feedforward_modules") if forward_names else {}
        if missing := sorted(forward.keys() - modules.keys()):
            what = f"{listing(missing, most=5)} is not among strategy.modules"
            raise BadInput(Problem("strategy.feedforward_modules", what, listing(sorted(modules), most=8)))
        config = IA3Config(
            target_modules=sorted(modules),
            feedforward_modules=sorted(forward),
            modules_to_save=whole_modules(model),  # type: ignore[arg-type]
            fan_in_fan_out=all(isinstance(module, Conv1D) for module in modules.values()),
        )
        return peft_models.wrapped(model, config)

    def _names(self, model: Any) -> tuple[list[str] | str, list[str] | str]:
        from peft.utils.constants import (
            TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FORWARD,
        )
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TARGETS

        if self.modules is not None:
            return self.modules, self.feedforward_modules or []
        kind = getattr(model.config, "backbone_config", model.config).model_type
        if kind not in TARGETS or kind not in FORWARD:
            what = f"PEFT has no choice of modules for {kind}, so strategy.modules must name them"
            able = listing(sorted(TARGETS.keys() & FORWARD.keys()))
            raise BadInput(
                Problem("strategy.modules", what, f"as for lora: [key, value]; PEFT chooses for {able}")
            )
        return TARGETS[kind], FORWARD[kind]

    def merge(self, model: Any) -> "nn.Module":
        """The scales multiplied into the weights. ``model`` is used up."""
        from pipeline.strategies import peft_models

        peft_models.with_trained_heads(model)  # PEFT takes every head for a Linear module here.
        return model.merge_and_unload()

    def save(self, model: Any, folder: str) -> Sequence[str]:
        """The vectors and the head, as PEFT loads them."""
        from pipeline.strategies import peft_models

        return peft_models.save(model, folder)
