"""Prompt tuning: learned embeddings in front of every text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.virtual_tokens import VirtualTokens

if TYPE_CHECKING:
    from torch import Tensor, nn


@component
class PromptTuning(VirtualTokens):
    """Prompt tuning (Lester et al. 2021, arXiv:2104.08691) by PEFT: the fewest weights of all; wants large models."""

    # What the embeddings start as: those of the words of training texts, of words drawn from the vocabulary, or random
    # numbers.
    init: Literal["text", "words", "random"] = "text"
    learning_rate: Annotated[float, Field(gt=0)] = 3e-2

    # What is said of single tokens would be said of the learned ones too.
    heads: ClassVar[tuple[str, ...] | None] = ("sequence_classification", "causal_lm", "seq2seq_lm")

    def adapt(self, model: Any) -> "nn.Module":
        """Raises BadInput for classifiers that look for a text's end among its tokens, which embeddings do not show."""
        from peft import PromptTuningConfig

        kind = self.task_type(model)
        if kind == "SEQ_CLS" and _looks_for_the_end(model):
            what = (
                f"{type(model).__name__} finds the end of a text by its tokens, and gets embeddings instead"
            )
            raise BadInput(Problem("strategy", what, "strategy=prefix_tuning or strategy=lora"))
        config = PromptTuningConfig(
            task_type=kind,
            num_virtual_tokens=self.tokens,
            token_dim=model.get_input_embeddings().embedding_dim,
            # PEFT asks for these, though not for prompts, and Mamba has none.
            num_attention_heads=getattr(model.config, "num_attention_heads", 1),
            prompt_tuning_init="RANDOM" if self.init == "random" else "SAMPLE_VOCAB",
            num_transformer_submodules=1,  # An encoder–decoder's are in front of what its encoder reads.
        )
        return self.with_tokens(model, config)

    @property
    def looks_at(self) -> int:
        return self.tokens if self.init == "text" else 0

    def start(self, model: Any, batches: "Sequence[Mapping[str, Tensor]]") -> None:
        """The first learned token of an encoder, which its classifier reads, starts as the one that begins a text."""
        if self.looks_at:
            words = model.get_base_model().get_input_embeddings()
            for encoder in model.prompt_encoder.values():
                encoder.embedding.weight.data.copy_(words(self.text(batches)).detach())


def _looks_for_the_end(model: Any) -> bool:
    """Whether a classifier reads the last token of a text, or the one that ends it, as decoders and encoder–decoders
    do. Encoders read the first, which is then a learned one."""
    import transformers

    kind = type(model.config)
    encodes = kind in transformers.AutoModelForMaskedLM._model_mapping
    return kind in transformers.AutoModelForSeq2SeqLM._model_mapping or not encodes
