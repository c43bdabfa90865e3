"""Language modelling from left to right: every token of a document is predicted from those before it.

a row of data   {"text": "To be, or not to be, that is the question."}
a prediction    {"continuation": " Whether 'tis nobler in the mind …"}, of {"text": "To be, or not to be,"}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.writing.generation import Generation

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.training.answers import Answer

DEFAULT_LENGTH = 1_024


@component
class CausalLM(Task):
    """Causal language modelling of documents.

    A document is the token that begins a text, its text, and the token that ends one. All but the first are
    predicted, each once, from what comes before it in the same block (see `packing.py`); nothing is predicted from
    another document. What a model is scored on therefore depends on ``max_length``: the first tokens of the later
    blocks of a long document are predicted from little.

    Head facts: ``documents`` and ``empty`` rows of each split, whether blocks are ``packed``, and ``why_not``.
    """

    # Whether short documents share a block of max_length tokens, none of them seeing another. With false, and for
    # models that cannot keep them apart, each fills a block of its own, padded.
    packing: bool = True
    generation: Generation = Field(default_factory=Generation)
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {"text": Column("a document; for predict, the start of one")}
    targets: ClassVar[tuple[str, ...]] = ()
    heads: ClassVar[tuple[str, ...]] = ("causal_lm",)
    prediction_chunk: ClassVar[int] = 64

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Raises BadInput for rows without text, and a model that sees the tokens that it should predict."""
        from pipeline.tasks.language.documents import count_documents
        from pipeline.tasks.language.packed_attention import reading

        counts, found = count_documents(data), reading(config)
        if found.forwards is False:
            what = f"as it is configured, {config.model_type} sees the tokens that it should predict"
            raise BadInput(Problem("model", what, "a model that reads from left to right, or task=masked_lm"))
        why_not = "" if found.apart else f"{config.model_type} does not keep packed documents apart"
        return {**counts, "packed": self.packing and found.apart, "why_not": why_not if self.packing else ""}

    def describe(self, head: Head) -> dict[str, str]:
        from pipeline.tasks.language.documents import describe_documents

        blocks = "packed, none sees another" if head["packed"] else "each padded by itself"
        reason = f" ({head['why_not']})" if head["why_not"] else ""
        return {"documents": describe_documents(head), "blocks": blocks + reason}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        """Raises BadInput for an attention kernel that would not keep packed documents apart."""
        from pipeline.tasks.language.packed_attention import check_kernel

        model, report = checkpoint.build(folder, self.heads, checkpoint.config(folder), meta=meta)
        if head["packed"]:
            check_kernel(model)
        return model, report

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Blocks: ``input_ids``, ``targets``, the ``bytes`` of the documents that begin in them (UTF-8), the first
        one's ``row``, and of packed ones ``position_ids``. Rows without text are in none."""
        from pipeline.tasks.encoding import longest_input
        from pipeline.tasks.language.documents import end_of_text, start_of_text, texts_of
        from pipeline.tasks.language.packing import Block, packed, pieces
        from pipeline.tasks.token_loss import IGNORED

        texts = texts_of(rows["text"])
        length = longest_input(tokenizer, self.max_length, DEFAULT_LENGTH, pair=False)
        start, end = start_of_text(tokenizer), end_of_text(tokenizer)
        plain = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)[
            "input_ids"
        ]
        parts = [
            part
            for row, (text, ids) in enumerate(zip(texts, plain, strict=True))
            if text.strip()
            for part in pieces([*start, *ids, end], length, row, len(text.encode()))
        ]
        # A table must have a row, and this one adds nothing to any sum.
        blocks = (packed(parts, length) if head["packed"] else parts) or [Block(0, [end], [IGNORED], [0])]
        features: dict[str, list[Any]] = {
            "input_ids": [block.input_ids for block in blocks],
            "targets": [block.targets for block in blocks],
            "bytes": [block.bytes for block in blocks],
            "row": [block.row for block in blocks],
            "length": [len(block.input_ids) for block in blocks],
            "truncated": [False] * len(blocks),
        }
        return features | ({"position_ids": [block.positions for block in blocks]} if head["packed"] else {})

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """``prompt_ids`` (also as ``input_ids``): the start of a document, of which the last tokens are kept where
        there is no room for all of them."""
        from pipeline.tasks.language.documents import start_of_text, texts_of
        from pipeline.tasks.writing.generation import prompt_room

        start, room = start_of_text(tokenizer), prompt_room(tokenizer, self.generation)
        texts = texts_of(rows["text"])
        plain = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)[
            "input_ids"
        ]
        whole = [[*start, *ids] for ids in plain]
        prompts = [ids[-room:] for ids in whole]
        return {
            "input_ids": prompts,
            "prompt_ids": prompts,
            "length": [len(ids) for ids in prompts],
            "truncated": [len(ids) > room for ids in whole],
        }

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Blocks padded on the right (see `block_batch.py`), or prompts padded on the left."""
        from pipeline.tasks.language.batch import block_batch
        from pipeline.tasks.writing.generation import prompt_batch

        if "prompt_ids" in features[0]:
            return prompt_batch(features, tokenizer)
        return block_batch(features, tokenizer.pad_token_id or 0, self.pad_to_multiple_of)

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        return {
            name: batch[name] for name in ("input_ids", "position_ids", "attention_mask") if name in batch
        }

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Cross-entropy in nats, summed over predicted tokens; the weight is their number.

        For a document that fits a block it is the loss that the model itself gives for ``labels``.
        """
        from pipeline.tasks.chosen_logits import outputs_at
        from pipeline.tasks.token_loss import IGNORED, chosen_loss

        wanted = batch["targets"] != IGNORED
        _, logits = outputs_at(model, self.forward_inputs(batch), wanted)
        loss, weight = chosen_loss(logits, batch["targets"][wanted])
        return Output(loss, weight, targets={"tokens": weight, "bytes": batch["bytes"].sum()})

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> list[list[list[int]]]:
        """The tokens that the model goes on with, ``num_return_sequences`` times, for each prompt."""
        from pipeline.tasks.writing.generation import generate

        written = generate(model, batch, self.generation, encoder_decoder=False)
        each = self.generation.num_return_sequences
        return [written[start : start + each] for start in range(0, len(written), each)]

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.language.metrics import Counts

        return Counts("tokens", "bytes")

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        """Perplexity of a token, and bits per byte of text: the loss of all tokens, that which ends a text among them,
        in bits, by the bytes of the documents. The second compares models with different tokenizers."""
        from math import log

        from pipeline.tasks.language.metrics import perplexity

        loss, tokens, size = (float(computed[name]) for name in ("loss", "tokens", "bytes"))
        return Scores(
            {"perplexity": perplexity(loss), "bits_per_byte": loss * tokens / log(2) / max(size, 1)}
        )

    def directions(self, head: Head) -> dict[str, bool]:
        return {"loss": False, "perplexity": False, "bits_per_byte": False}

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``continuation``: what follows the text; with num_return_sequences ``continuations`` has all of them."""
        said = []
        for answer in answers:
            prompt = answer.features[0]["prompt_ids"]
            texts = [_behind(prompt, ids, tokenizer) for ids in answer.predictions[0]]
            more = {"continuations": texts} if self.generation.num_return_sequences > 1 else {}
            said.append({"continuation": texts[0], **more})
        return said


def _behind(prompt: list[int], written: list[int], tokenizer: "PreTrainedTokenizerBase") -> str:
    """The text of what was written. Some tokenizers leave out the space before the first word of what they decode, so
    that it is only there behind the prompt."""
    from pipeline.tasks.writing.generation import texts_of

    before, both = texts_of(tokenizer, [prompt, prompt + written])
    return both.removeprefix(before) if both.startswith(before) else texts_of(tokenizer, [written])[0]
