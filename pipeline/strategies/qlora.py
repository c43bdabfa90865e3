"""QLoRA: LoRA on a backbone whose weights are quantised to 4 or 8 bits."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.lora import Lora

if TYPE_CHECKING:
    import torch
    from torch import nn

# Files by which NVIDIA's driver, AMD's, and either of them under WSL show.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@component
class QLora(Lora):
    """LoRA on a quantised backbone (Dettmers et al. 2023, arXiv:2305.14314) by bitsandbytes and PEFT.

    Every Linear module of the backbone is quantised, once, as the model is loaded in float32. What is compared and
    saved at the end is the float32 model of these weights: there is nothing quantised in ``model/``.
    """

    shardable: ClassVar[bool] = False
    quantises: ClassVar[bool] = True

    modules: list[str] | str = "all-linear"
    bits: Literal[4, 8] = 4
    # The numbers that 4 bits stand for: nf4 suits weights that are normally distributed.
    quant_type: Literal["nf4", "fp4"] = "nf4"
    # Quantise the scales of 4-bit weights too.
    double_quant: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4

    @model_validator(mode="after")
    def _starts_at_zero(self) -> "QLora":
        if self.init != "default":
            raise ValueError(
                f"init: {self.init} decomposes weights in float32; with qlora only default is there"
            )
        return self

    def check(self) -> None:
        """Raises BadInput where the package or a GPU is missing. Imports neither torch nor the package."""
        problems = []
        if find_spec("bitsandbytes") is None:
            what = "needs the package bitsandbytes, which is not installed"
            problems.append(Problem("strategy", what, "pip install 'hydratune[qlora]'; or strategy=lora"))
        if os.name != "nt" and not any(Path(driver).exists() for driver in _DRIVERS):
            problems.append(Problem("strategy", "qlora needs a GPU, and there is none here", "strategy=lora"))
        if problems:
            raise BadInput(problems)

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        if spec.hardware.accelerator in ("cpu", "mps"):
            what = f"strategy=qlora needs a GPU, not {spec.hardware.accelerator}"
            yield Problem("hardware.accelerator", what, "gpu; or strategy=lora")

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput as :meth:`Lora.adapt`, and where torch has no GPU."""
        import torch

        from pipeline.strategies import quantized
        from pipeline.strategies.parts import linear_modules

        there = linear_modules(model)  # type: ignore[arg-type]
        if there and not quantized.plain_linear(there):
            what = f"the weights of {type(model).__name__} are transposed, so bitsandbytes quantises none of them"
            raise BadInput(Problem("strategy", what, "strategy=lora"))
        if any(weight.is_meta for weight in model.parameters()):
            return Lora.adapt(self, model)
        if not torch.cuda.is_available():
            what = f"torch {torch.__version__} has no GPU here"
            raise BadInput(Problem("strategy", what, "a torch for the GPU's driver; or strategy=lora"))
        return self.on(torch.device("cuda", torch.cuda.current_device()), model)

    def on(self, device: "torch.device", model: Any) -> "nn.Module":
        """The model with its quantised weights on ``device``, adapted."""
        import torch

        from pipeline.strategies import quantized
        from pipeline.strategies.parts import linear_modules

        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        quantized.quantize(
            model,
            quantized.plain_linear(linear_modules(model)),
            device,
            bits=self.bits,
            quant_type=self.quant_type,
            double_quant=self.double_quant,
            compute=torch.bfloat16 if fast else torch.float32,
        )
        flag = f"is_loaded_in_{self.bits}bit"  # by which PEFT knows
        setattr(model, flag, True)
        try:
            return Lora.adapt(self, model)
        finally:
            setattr(model, flag, False)

    def trained(self, model: Any) -> "nn.Module":
        """LoRA on the float32 weights that the quantised ones stand for."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        from pipeline.strategies import quantized

        state = get_peft_model_state_dict(model, save_embedding_layers=False)
        plain = model.unload()
        quantized.dequantize(plain)
        again = Lora.adapt(self, plain)
        set_peft_model_state_dict(again, state)
        return again
