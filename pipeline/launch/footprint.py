"""Arithmetic of training at any size: bytes of memory in one process, and bytes that it sends to others.

Plain numbers in, plain numbers out: what :mod:`pipeline.launch.plan` says of a run, and docs/scale.md of others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A transformer: total and trained parameters, layers, width of hidden states, heads of attention, vocabulary."""

    total: int
    trainable: int
    layers: int
    hidden: int
    heads: int
    vocabulary: int = 0

    @property
    def layer(self) -> int:
        """Parameters of one layer, when all but an embedding is layers."""
        return max(0, self.total - self.vocabulary * self.hidden) // max(1, self.layers)


@dataclass(frozen=True)
class Split:
    """How a step is cut: processes, rows and tokens a row of one micro-batch, bytes of a number in the arithmetic
    (4, or 2 in 16 bits), whether the model is cut over the processes, whether activations are computed again, and
    whether the layers' inputs wait elsewhere meanwhile."""

    processes: int
    rows: int
    tokens: int
    width: int = 4
    sharded: bool = False
    recompute: bool = False
    offload: bool = False


@dataclass(frozen=True)
class Memory:
    """Estimated bytes in one process at the largest training batch."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def memory(shape: Shape, split: Split, *, copies: int = 0, language: bool = False) -> Memory:
    """Weights, gradients and two optimizer moments in float32; activations by Korthikanti et al. 2022
    (arXiv:2205.05198), equation 1: s·b·h·(34 + 5·a·s/h) bytes a layer at two bytes a number. Computed again, each layer
    keeps its input, s·b·h numbers, where that does not wait elsewhere, and one layer at a time has all of them.

    copies: averages of the trained weights. language: whether there are logits as long as the vocabulary, and their
    gradients, both in float32.

    Of a sharded model a process holds its part (Rajbhandari et al. 2020, arXiv:1910.02054, stage 3), and gathered, in
    the arithmetic's precision, what is in no layer and two layers: one at work and the next one on its way.
    """
    parts = split.processes if split.sharded else 1
    weights, trainable = -(-4 * shape.total // parts), -(-4 * shape.trainable // parts)
    gradients = trainable
    if split.sharded:
        outside = max(0, shape.total - shape.layers * shape.layer)
        weights += split.width * (outside + 2 * shape.layer)
        gradients += split.width * (shape.trainable * shape.layer // max(1, shape.total))
    numbers = split.tokens * split.rows * shape.hidden
    layer = (
        split.tokens * split.rows * (34 * shape.hidden + 5 * shape.heads * split.tokens) * split.width // 2
    )
    inputs = 0 if split.offload else shape.layers * split.width * numbers
    kept = inputs + layer if split.recompute else shape.layers * layer
    if language:
        kept += split.tokens * split.rows * shape.vocabulary * 2 * 4
    return Memory(weights + copies * trainable, gradients, 2 * trainable, kept)


def sent(shape: Shape, split: Split, micro_batches: int = 1) -> int:
    """Bytes that a process sends in one optimizer step, as it receives as many.

    Gradients of whole models are summed in a ring, once, in float32 (Patarasuk and Yuan 2009): 2·(n-1)/n of them.
    Of a sharded one each micro-batch gathers all weights twice, for the forward and the backward pass, and hands
    gradients in float32 to whoever has the part: (n-1)/n of each.
    """
    others = split.processes - 1
    if not split.sharded:
        return 2 * 4 * shape.trainable * others // split.processes
    each = 2 * split.width * shape.total + 4 * shape.trainable
    return micro_batches * each * others // split.processes
