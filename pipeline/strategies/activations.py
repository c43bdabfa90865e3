"""EVA: LoRA begins with the directions in which the inputs of a module vary most (Paischer et al. 2024,
arXiv:2410.07170, without its redistribution of ranks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import Tensor

# Batches after which directions that have not settled are given up: hundreds of times what they take.
MOST = 5_000


class _Reading:
    """Forward passes of ``model``, as often as PEFT asks for them, and what its modules read in them.

    Raises BadInput after MOST of them, and for a module that reads fewer vectors of the first batch than ``rank``.
    """

    def __init__(self, model: Any, rank: int) -> None:
        self.rank, self.passes = rank, 0
        # Vectors that each module read of the first batch.
        self.vectors = {name: 0 for name, module in model.named_modules() if hasattr(module, "lora_A")}

    def forward(self, model: Any, inputs: Mapping[str, Tensor]) -> None:
        if self.passes == MOST:
            what = f"eva: the directions of the inputs have not settled after {MOST:,} batches"
            raise BadInput(Problem("strategy.init", what, "default, pissa, olora, or a smaller strategy.r"))
        model(**inputs)
        self.passes += 1
        # PEFT waits for ever for modules that never read enough at once, and fails at those that are not called.
        if self.passes == 1 and min(self.vectors.values()) < self.rank:
            name = min(self.vectors, key=self.vectors.__getitem__)
            inner = name.removeprefix("base_model.model.")
            found = f"{inner} reads {self.vectors[name]} vectors of a batch"
            what = f"eva looks for {self.rank} directions, and {found}"
            more = "a smaller strategy.r, a larger trainer.evaluation_batch_size, or "
            allowed = f"{more if self.vectors[name] else ''}strategy.modules without {inner}"
            raise BadInput(Problem("strategy.init", what, allowed))

    def tokens(self, read: Any, mask: Tensor, name: str) -> Tensor:
        """(tokens, width) of what a module reads. A decoder's texts are others than those of the mask: all of them."""
        if name not in self.vectors:
            return self._settled(mask)
        inputs = read if not isinstance(read, tuple | list) else read[0]
        found = inputs[mask] if inputs.shape[:-1] == mask.shape else inputs.flatten(0, -2).contiguous()
        if self.passes == 0:
            self.vectors[name] = max(
                self.vectors[name], len(found)
            )  # A module may be called by several layers.
        return found

    def _settled(self, mask: Tensor) -> Tensor:
        """PEFT asks for the numbers of tokens that rows of added ones read too, and makes nothing of the directions of
        this: the axes, each as far apart as no other."""
        import torch

        axes = torch.diag(torch.arange(1.0, self.rank + 1, device=mask.device))
        return torch.cat((axes, -axes))


def initialise(model: Any, batches: Sequence[Mapping[str, Tensor]], rank: int) -> None:
    """Set A of every adapted module of a PEFT model from what it reads of ``batches``, inputs of the model.

    Raises BadInput where a batch has fewer tokens than directions are asked for, or a module reads fewer vectors of
    it, and for directions that do not settle.
    """
    from peft import initialize_lora_eva_weights

    fewest = min(int(_mask(batch).sum()) for batch in batches)
    if fewest < rank:
        what = f"eva looks for {rank} directions, and a batch of the training data has {fewest} tokens"
        raise BadInput(Problem("strategy.init", what, "default, pissa, olora, or a smaller strategy.r"))
    reading = _Reading(model, rank)
    initialize_lora_eva_weights(
        model,
        [dict(batch) for batch in batches],
        forward_fn=reading.forward,
        prepare_model_inputs_fn=lambda inputs, _: _mask(inputs),
        prepare_layer_inputs_fn=reading.tokens,
        gather_distributed_inputs=False,  # Every process has the same.
        show_progress_bar=False,
    )


def _mask(inputs: Mapping[str, Tensor]) -> Tensor:
    import torch

    given = inputs.get("attention_mask")
    return (torch.ones_like(inputs["input_ids"]) if given is None else given).bool()
