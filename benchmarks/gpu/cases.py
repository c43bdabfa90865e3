"""What is measured: sizes of Llama-like models, strategies, and how many tokens a step has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Full fine-tuning in mixed precision, bytes a weight: itself, its gradient and AdamW's two moments in float32 (4 each),
# and the bfloat16 copy that autocast keeps for the backward pass.
FULL_BYTES = 18
# Of the GPU's memory, what activations take at the very least.
ACTIVATIONS = 0.05


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama; ``tied``: input and output embeddings are the same weights."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int
    tied: bool

    def config(self, length: int) -> Any:
        from transformers import LlamaConfig

        return LlamaConfig(
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_value_heads,
            vocab_size=self.vocabulary,
            max_position_embeddings=length,
            tie_word_embeddings=self.tied,
            use_cache=False,
        )


LLAMA_1B = Shape("1B", 2_048, 8_192, 16, 32, 8, 128_256, tied=True)  # Llama-3.2-1B
LLAMA_8B = Shape("8B", 4_096, 14_336, 32, 32, 8, 128_256, tied=False)  # Llama-3-8B
TINY = Shape("tiny", 64, 128, 2, 4, 2, 512, tied=True)


@dataclass(frozen=True)
class Case:
    """A step of ``batch`` sequences of ``length`` tokens. checkpointing: activations are computed again in the
    backward pass, on both sides."""

    shape: Shape
    strategy: str
    batch: int
    learning_rate: float
    length: int = 4_096
    checkpointing: bool = False

    @property
    def name(self) -> str:
        return f"{self.shape.name} {self.strategy}{' checkpointing' if self.checkpointing else ''}"


CASES = (
    Case(LLAMA_1B, "full", batch=2, learning_rate=1e-4),
    Case(LLAMA_1B, "lora", batch=2, learning_rate=1e-3),
    Case(LLAMA_8B, "full", batch=1, learning_rate=1e-4),
    Case(LLAMA_8B, "lora", batch=1, learning_rate=1e-3),
    Case(LLAMA_8B, "lora", batch=2, learning_rate=1e-3, checkpointing=True),
)
# A small model learns something in three steps where these are large.
QUICK = (
    Case(TINY, "full", batch=2, learning_rate=1e-2, length=128),
    Case(TINY, "lora", batch=2, learning_rate=1e-1, length=128, checkpointing=True),
)
