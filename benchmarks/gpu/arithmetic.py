"""How many floating-point operations a training step needs, and how many the card could do in its time."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.gpu.cases import Shape

# Dense bf16 products in NVIDIA's data sheets, FLOP/s.
_DATASHEET = {"H200": 989e12, "H100 80GB HBM3": 989e12, "H100 PCIe": 756e12, "A100": 312e12}


def matrix_weights(shape: Shape) -> int:
    """Weights that every token is multiplied with: all but norms and the look-up of input embeddings."""
    head = shape.hidden // shape.heads
    attention = shape.hidden * head * 2 * (shape.heads + shape.key_value_heads)
    return (
        shape.layers * (attention + 3 * shape.hidden * shape.intermediate) + shape.hidden * shape.vocabulary
    )


def parameters(shape: Shape) -> int:
    """All weights."""
    embeddings = 0 if shape.tied else shape.hidden * shape.vocabulary
    return matrix_weights(shape) + embeddings + (2 * shape.layers + 1) * shape.hidden


def adapter_weights(shape: Shape, rank: int) -> int:
    """Weights of LoRA on every Linear module of the layers: A and B, as long as its input and its output."""
    hidden, middle = shape.hidden, shape.intermediate
    narrow = hidden // shape.heads * shape.key_value_heads
    ends = 2 * (hidden + hidden) + 2 * (hidden + narrow) + 3 * (hidden + middle)
    return shape.layers * rank * ends


def flops_per_token(shape: Shape, strategy: str, visible: float, rank: int) -> float:
    """Model FLOPs of a step for each token; what is computed again or masked away does not count.

    full: ``6 N + 12 L H Q T`` (Chowdhery et al. 2022, arXiv:2204.02311, appendix B), N without the look-up of
    embeddings. T is ``visible``, the mean number of tokens that a token attends to: documents are apart, and nothing
    is seen that comes later. lora: no gradient of the N frozen weights, so ``4 N``, and ``6 n`` of n adapter weights.
    """
    attention = 12 * shape.layers * shape.hidden * visible
    if strategy == "full":
        return 6 * matrix_weights(shape) + attention
    return 4 * matrix_weights(shape) + 6 * adapter_weights(shape, rank) + attention


def datasheet(card: str) -> float | None:
    """Peak of a card in bf16 without sparsity, FLOP/s; None where it is not known here."""
    return next((peak for name, peak in _DATASHEET.items() if name in card), None)


def measured(device: Any, size: int = 8_192, products: int = 40) -> float:
    """FLOP/s of bf16 matrix products of random numbers on the GPU, some warm-up before."""
    import torch

    one, other = (torch.randn(size, size, dtype=torch.bfloat16, device=device) for _ in range(2))
    for count in (5, products):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            one @ other
        torch.cuda.synchronize()
        took = time.perf_counter() - start
    return 2 * size**3 * products / took
