"""Reading one text and writing another, whatever they are: rewriting, correcting, answering, formatting.

    a row of data   {"source": "the film were good", "target": "The film was good."}
    a prediction    {"text": "The film was good."}

Several texts can be right; the first is trained on, and all count when a text is scored:

    a row of data   {"source": "the film were good", "target": ["The film was good.", "The films were good."]}

The model is an encoder-decoder (T5, BART, Marian, …), or a decoder (GPT-2, Llama, …) that goes on from the source.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.writing.generation import Generation

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric, MetricCollection
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.training.answers import Answer

Row = Mapping[str, Any]


@component
class TextToText(Task):
    """Writing by a language model of transformers, trained on the target's tokens alone.

    Head facts: ``encoder_decoder`` (the kind of model), ``latin`` (whether most letters of the targets are a to z).
    """

    # Longest source in tokens, the prompt around it included. null: what the model can take, at most 512.
    max_source_length: Annotated[int, Field(ge=2)] | None = None
    # Longest target in tokens, the end of text included. null: 128, or half of what the model can take.
    max_target_length: Annotated[int, Field(ge=2)] | None = None
    # What the model reads; {source} stands for the source, \n for a line end. T5 wants "summarize: {source}".
    prompt: str = "{source}"
    # What ends the prompt of a decoder, before it writes. Encoder-decoders need none.
    separator: str = "\n"
    # Share of the target that is spread over all tokens (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # How texts are written: in the test, in prediction, and in validation unless that is off.
    generation: Generation = Field(default_factory=Generation)
    # false: validation while training is by the loss alone, which takes a fraction of the time.
    generate_in_validation: bool = True
    # ROUGE: endings of English words do not count (Porter's stemmer).
    rouge_stemmer: bool = False
    # ROUGE: words as rouge_score knows them (a to z, 0 to 9), or of any script; auto: by the training targets.
    rouge_words: Literal["auto", "ascii", "unicode"] = "auto"
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "source": Column("the text to read"),
        "target": Column("the text to write; a list where several are right"),
    }
    targets: ClassVar[tuple[str, ...]] = ("target",)
    heads: ClassVar[tuple[str, ...]] = ("seq2seq_lm", "causal_lm")
    scored_by_row: ClassVar[bool] = True
    writes_when_scored: ClassVar[bool] = True
    prediction_chunk: ClassVar[int] = 128
    # What :meth:`metrics` gives, and the one that chooses the best checkpoint.
    scored: ClassVar[tuple[str, ...]] = ("exact_match", "rougeL", "chrf", "length_ratio")
    best_by: ClassVar[str] = "chrf"

    @field_validator("prompt")
    @classmethod
    def _has_a_source(cls, prompt: str) -> str:
        if prompt.count("{source}") != 1:
            raise ValueError(f"{prompt!r} needs one {{source}}, where the source is to stand")
        return prompt

    @model_validator(mode="after")
    def _fits_together(self) -> "TextToText":
        if self.max_length is not None and self.max_source_length is not None:
            raise ValueError("max_length means the same as max_source_length: set one of them")
        return self

    @property
    def source_limit(self) -> int | None:
        return self.max_length if self.max_source_length is None else self.max_source_length

    @property
    def monitor(self) -> str:
        return self.best_by if self.generate_in_validation else "loss"

    # What a row holds

    def source_of(self, row: Row) -> str:
        """Raises ValueError, with what is wrong, where there is no text."""
        from pipeline.tasks.writing.rows import source_text

        return source_text(row.get("source"))

    def references_of(self, row: Row) -> list[str]:
        """What is right, the first being what is trained on. Raises ValueError where there is no text."""
        from pipeline.tasks.writing.rows import references

        return references(row.get("target"))

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Raises BadInput for rows without a source or without a target."""
        from pipeline.tasks.writing.rows import check_rows, sample
        from pipeline.tasks.writing.words import mostly_ascii

        names = list(self.columns)
        read = {"source": self.source_of, "target": self.references_of}
        if problems := check_rows(data, read, names):
            raise BadInput(problems)
        right = sample(data["train"], names, self.references_of)
        most = max(len(texts) for texts in right)
        latin = mostly_ascii([texts[0] for texts in right])
        head = {"encoder_decoder": bool(config.is_encoder_decoder), "latin": latin}
        return {**head, "references": most} if most > 1 else head

    def describe(self, head: Head) -> dict[str, str]:
        kind = "encoder-decoder" if head["encoder_decoder"] else "decoder, which goes on from the source"
        several = head.get("references")
        text = f"lists of up to {several}: all are right, the first is learned"
        return {"model": kind, "targets": text} if several else {"model": kind}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        """The model; its generation settings know how its tokenizer ends a text."""
        model, report = checkpoint.build(folder, self.heads, checkpoint.config(folder), meta=meta)
        self.prepare_generation(model, checkpoint.tokenizer(folder), head)
        return model, report

    def prepare_generation(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> None:
        """Raises BadInput for an encoder-decoder that does not say how it begins a text."""
        own = model.generation_config
        ends = [own.eos_token_id] if isinstance(own.eos_token_id, int) else list(own.eos_token_id or ())
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
            own.eos_token_id = [*ends, tokenizer.eos_token_id]
        if not head["encoder_decoder"]:
            return
        if own.decoder_start_token_id is None:
            own.decoder_start_token_id = getattr(model.config, "decoder_start_token_id", None)
        if own.decoder_start_token_id is None and own.bos_token_id is None:
            what = "does not say by which token a text begins (decoder_start_token_id)"
            raise BadInput(Problem("model.checkpoint", what, "one that was trained to write"))

    # Features and batches

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Sources, and targets where there is a column of them; see `source_target_encoding`."""
        from pipeline.tasks.writing.rows import one_fault, rows_of

        if not self._has_targets(rows):
            return self._encode(rows, None, tokenizer, head)
        targets = []
        for row in rows_of(rows):
            try:
                targets.append(self.references_of(row)[0])
            except ValueError as fault:
                raise one_fault("target", fault) from fault
        return self._encode(rows, targets, tokenizer, head)

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        return self._encode(rows, None, tokenizer, head)

    def _has_targets(self, rows: Mapping[str, list[Any]]) -> bool:
        return "target" in rows

    def _encode(
        self,
        rows: Mapping[str, list[Any]],
        targets: list[str] | None,
        tokenizer: "PreTrainedTokenizerBase",
        head: Head,
    ) -> dict[str, list[Any]]:
        from pipeline.tasks.writing import encoding as encoding
        from pipeline.tasks.writing.rows import Blank, one_fault, rows_of

        sources = []
        for row in rows_of(rows):
            try:
                sources.append(self.source_of(row))
            except Blank as fault:
                if targets is not None:
                    raise one_fault("source", fault) from fault
                sources.append("")
            except ValueError as fault:
                raise one_fault("source", fault) from fault
        self.set_languages(tokenizer)
        if head["encoder_decoder"]:
            return encoding.encode_for_encoder_decoder(sources, targets, self, tokenizer)
        return encoding.encode_for_decoder(sources, targets, self, tokenizer)

    def set_languages(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Raises BadInput for a tokenizer that must know languages, of which only translation knows."""
        if hasattr(tokenizer, "src_lang"):
            what = "the model reads and writes many languages and must be told which"
            raise BadInput(
                Problem("task", what, "task=translation with its source_language and target_language")
            )

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """A decoder's batch has ``prompt_ids`` and ``prompt_mask`` besides, to go on from."""
        from pipeline.tasks.writing import encoding as encoding

        if "prompt_length" in features[0]:
            return encoding.collate_for_decoder(features, tokenizer, self.pad_to_multiple_of)
        return encoding.collate_for_encoder_decoder(features, tokenizer, self.pad_to_multiple_of)

    def forward_inputs(self, batch: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """An encoder-decoder computes nothing without targets."""
        names = ("input_ids", "attention_mask") if "prompt_ids" in batch else tuple(batch)
        return {name: batch[name] for name in names}

    # Learning and writing

    def loss(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        """Cross-entropy over the target's tokens; weight: their number. Nothing is predicted."""
        from pipeline.tasks.token_loss import token_loss
        from pipeline.tasks.writing.target_logits import target_logits

        loss, weight = token_loss(target_logits(model, batch), batch["labels"], self.label_smoothing)
        return Output(loss, weight)

    def score(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        return dataclasses.replace(self.loss(model, batch), predictions=self.predict(model, batch))

    def score_validation(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        return self.score(model, batch) if self.generate_in_validation else self.loss(model, batch)

    def predict(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> list[Any]:
        """Of each row the lists of tokens that were written, as many as ``num_return_sequences``."""
        from pipeline.tasks.writing.generation import generate

        made = generate(model, batch, self.generation, encoder_decoder="prompt_ids" not in batch)
        each = self.generation.num_return_sequences
        return [made[start : start + each] for start in range(0, len(made), each)]

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``text``; with several for each row the first of them, and all in ``texts``."""
        from pipeline.tasks.writing.generation import texts_of

        written = [
            [text.strip() for text in texts_of(tokenizer, answer.predictions[0])] for answer in answers
        ]
        if self.generation.num_return_sequences == 1:
            return [{"text": texts[0]} for texts in written]
        return [{"text": texts[0], "texts": texts} for texts in written]

    # Scores

    def metrics(self, head: Head) -> "MetricCollection":
        from pipeline.tasks.writing.metrics import collection

        return collection(self.text_metrics(head))

    def text_metrics(self, head: Head) -> "list[Metric]":
        from pipeline.tasks.writing.metrics import Chrf, ExactMatch, LengthRatio

        where: dict[str, Any] = {"reference": self.references_of}
        return [ExactMatch(**where), self.rouge(head, ("rougeL",)), Chrf(**where), LengthRatio(**where)]

    def rouge(self, head: Head, types: Sequence[str], **options: Any) -> "Metric":
        from pipeline.tasks.writing.metrics import Rouge

        words = {"ascii": False, "unicode": True}.get(self.rouge_words, not head["latin"])
        return Rouge(
            types, stemmer=self.rouge_stemmer, unicode=words, reference=self.references_of, **options
        )

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        return Scores({name: float(value) for name, value in computed.items()})

    def directions(self, head: Head) -> dict[str, bool]:
        return {"loss": False, **dict.fromkeys(self.scored, True)}
