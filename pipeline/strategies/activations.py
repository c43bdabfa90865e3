"""EVA: LoRA begins with the directions in which the inputs of a module vary most (Paischer et al. 2024,
arXiv:2410.07170, without its redistribution of ranks)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import Tensor

# Batches after which directions that have not settled are given up: hundreds of times what they take.
MOST = 5_000


class Again:
    """Batches as often as PEFT asks for them. Raises BadInput after MOST of them."""

    def __init__(self, batches: Sequence[Mapping[str, Tensor]]) -> None:
        self.batches, self.given = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for batch in self.batches:
            if self.given == MOST:
                what = f"eva: the directions of the inputs have not settled after {MOST:,} batches"
                raise BadInput(
                    Problem("strategy.init", what, "default, pissa, olora, or a smaller strategy.r")
                )
            self.given += 1
            yield dict(batch)


def initialise(model: Any, batches: Sequence[Mapping[str, Tensor]], rank: int) -> None:
    """Set A of every adapted module of a PEFT model from what it reads of ``batches``, inputs of the model.

    Raises BadInput where a batch has fewer tokens than directions are asked for, and for directions that do not settle.
    """
    from peft import initialize_lora_eva_weights

    fewest = min(int(_mask(batch).sum()) for batch in batches)
    if fewest < rank:
        what = f"eva looks for {rank} directions, and a batch of the training data has {fewest} tokens"
        raise BadInput(Problem("strategy.init", what, "default, pissa, olora, or a smaller strategy.r"))
    initialize_lora_eva_weights(
        model,
        Again(batches),
        forward_fn=lambda asked, inputs: asked(**inputs),
        prepare_model_inputs_fn=lambda inputs, _: _mask(inputs),
        prepare_layer_inputs_fn=_tokens,
        gather_distributed_inputs=False,  # Every process has the same.
        show_progress_bar=False,
    )


def _mask(inputs: Mapping[str, Tensor]) -> Tensor:
    import torch

    given = inputs.get("attention_mask")
    return (torch.ones_like(inputs["input_ids"]) if given is None else given).bool()


def _tokens(read: Any, mask: Tensor, name: str) -> Tensor:
    """(tokens, width) of what a module reads. A decoder's texts are others than those of the mask: all of them."""
    inputs = read if not isinstance(read, tuple | list) else read[0]
    return inputs[mask] if inputs.shape[:-1] == mask.shape else inputs.flatten(0, -2).contiguous()
