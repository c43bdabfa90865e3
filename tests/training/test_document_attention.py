"""Against transformers' masks: the same numbers, for every architecture that packs, and nothing else is touched."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.nn import functional

from pipeline.training.document_attention import DocumentAttention, by_document
from tests.models import families

PACKING = ("gpt2", "llama", "qwen3", "mistral", "gemma3")
SDPA = functional.scaled_dot_product_attention


def packed(rows: list[list[int]]) -> torch.Tensor:
    return torch.stack([torch.cat([torch.arange(length) for length in lengths]) for lengths in rows])


def computed(model: Any, positions: torch.Tensor, apart: bool) -> list[torch.Tensor]:
    """Logits and gradients."""
    most = model.get_input_embeddings().num_embeddings
    ids = torch.randint(5, most, positions.shape, generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "position_ids": positions}
    model.zero_grad()
    with by_document(inputs) if apart else nullcontext():
        logits = model(**inputs, use_cache=False).logits
    logits.square().mean().backward()
    return [logits.detach(), *(weight.grad for weight in model.parameters() if weight.grad is not None)]


@pytest.mark.parametrize("family", PACKING)
@pytest.mark.parametrize("rows", [[[5, 1, 10]], [[16], [3, 13], [8, 8]]])
def test_logits_and_gradients_are_those_of_a_mask(family: str, rows: list[list[int]]) -> None:
    torch.manual_seed(0)
    model = families.random_model(family, "AutoModelForCausalLM", attn_implementation="sdpa").eval()
    positions = packed(rows)
    expected, found = (computed(model, positions, apart) for apart in (False, True))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def heads(rows: int, width: int) -> list[torch.Tensor]:
    return [torch.randn(rows, 2, width, 4) for _ in range(3)]


def masked(positions: torch.Tensor) -> torch.Tensor:
    document = (positions == 0).cumsum(1)
    return (document[:, :, None] == document[:, None]).tril()[:, None]


def calls(
    positions: torch.Tensor, mask: torch.Tensor | None, *parts: torch.Tensor, **named: Any
) -> list[int]:
    """Lengths of the queries that reach torch, once the numbers were compared with torch's own."""
    seen: list[int] = []

    class Spy(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is SDPA:
                seen.append((args[0] if args else kwargs["query"]).shape[-2])
            return func(*args, **(kwargs or {}))

    with Spy(), DocumentAttention(positions):
        found = functional.scaled_dot_product_attention(*parts, attn_mask=mask, **named)
    torch.testing.assert_close(found, SDPA(*parts, attn_mask=mask, **named), atol=1e-6, rtol=1e-5)
    return seen


def test_each_document_is_computed_by_itself() -> None:
    positions = packed([[5, 1, 10], [16]])
    assert calls(positions, masked(positions), *heads(2, 16)) == [5, 1, 10, 16]
    one = packed([[7, 9]])
    assert calls(one, masked(one), *heads(1, 16), scale=0.3) == [7, 9]
    query, key, value = heads(1, 16)
    assert calls(one, masked(one), query, key[:, :1], value[:, :1], enable_gqa=True) == [7, 9]


def test_other_masks_stay() -> None:
    positions = packed([[7, 9]])
    mask = masked(positions)
    window = mask & ~torch.ones_like(mask).tril(-3)
    assert calls(positions, window, *heads(1, 16)) == [16]
    assert calls(positions, mask.float().log(), *heads(1, 16)) == [16]
    assert calls(positions, None, *heads(1, 16), is_causal=True) == [16]
    query, *others = heads(1, 16)
    assert calls(positions, mask[..., -1:, :], query[..., -1:, :], *others) == [1]


def test_what_is_not_packed_is_left_alone() -> None:
    ids = torch.ones(1, 4, dtype=torch.long)
    for inputs in (
        {"input_ids": ids},
        {"input_ids": ids, "attention_mask": ids, "position_ids": torch.arange(4)[None]},
        {"input_ids": ids, "position_ids": torch.arange(2, 6)[None]},  # as RoBERTa's
    ):
        with by_document(inputs) as mode:
            assert mode is None
