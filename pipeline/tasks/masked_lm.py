"""Masked language modelling: words of a text are hidden, and predicted from those around them.

a row of data   {"text": "The capital of France is Paris."}
a prediction    {"filled": "The capital of France is paris.",
                 "masks": [[{"token": "paris", "score": 0.92}, {"token": "lyon", "score": 0.01}, …]]},
                of {"text": "The capital of France is [MASK]."}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.tasks.base import Column, Head, Output, Scores, Task

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.training.answers import Answer

DEFAULT_LENGTH = 512


@component
class MaskedLM(Task):
    """Masked language modelling, and with it, if asked, next-sentence prediction: BERT's two objectives.

    In training the masks are drawn anew whenever a block is seen, from torch's random numbers; in evaluation they
    follow from a block's tokens and ``mask_seed``, so that scores can be compared. In a block where none would be
    masked one word is. Head facts: ``documents`` and ``empty`` rows of each split.
    """

    # The probability that a word is masked.
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    # Whether the tokens of a word are masked together.
    whole_words: bool = False
    # Draws the masks of evaluation, and pairs of sentences.
    mask_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    # Whether texts share blocks of max_length tokens, with a separator between them; false: each has its own.
    join: bool = True
    # Whether the model also learns if the second half of a block follows the first one. Texts are then documents of
    # several sentences, and `join` does not matter.
    next_sentence: bool = False
    # Tokens that predict gives for each mask.
    top_k: Annotated[int, Field(ge=1)] = 5
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "text": Column("a document; for predict, a text with [MASK] in it")
    }
    targets: ClassVar[tuple[str, ...]] = ()
    heads: ClassVar[tuple[str, ...]] = ("masked_lm",)

    def heads_for(self, head: Head) -> tuple[str, ...]:
        return ("pretraining",) if self.next_sentence else self.heads

    def inputs_vary(self) -> str | None:
        return "other words are masked whenever an example is read"

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.language.documents import count_documents

        return count_documents(data)

    def describe(self, head: Head) -> dict[str, str]:
        from pipeline.tasks.language.documents import describe_documents

        return {"documents": describe_documents(head)}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        return checkpoint.build(folder, self.heads_for(head), checkpoint.config(folder), meta=meta)

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Blocks: ``input_ids``, the ``words`` that tokens are of (see `masking.py`), the ``seed`` of masks in
        evaluation, the first document's ``row``, and ``next_sentence`` (0: the second half follows the first, 1: it
        does not). No token is lost; rows without text are in no block."""
        from pipeline.tasks.language.masked_encoding import MaskedEncoding

        return MaskedEncoding(self, tokenizer, DEFAULT_LENGTH).learned(rows["text"])

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Texts with masks, each in blocks of its own."""
        from pipeline.tasks.language.masked_encoding import MaskedEncoding

        return MaskedEncoding(self, tokenizer, DEFAULT_LENGTH).asked(rows["text"])

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Padded inputs, and what is needed to mask them: ``words``, ``seed``, ``mask`` and ``vocabulary`` (the mask's
        number, and how many tokens there are)."""
        import torch

        from pipeline.tasks.encoding import pad
        from pipeline.tasks.language.masking import padded_words

        batch = pad(features, tokenizer, self.pad_to_multiple_of)
        batch["words"] = padded_words([row["words"] for row in features], batch["attention_mask"])
        batch["mask"] = torch.tensor(tokenizer.mask_token_id)
        batch["vocabulary"] = torch.tensor(len(tokenizer))
        for name in ("seed", "next_sentence"):
            if name in features[0]:
                batch[name] = torch.tensor([row[name] for row in features])
        return batch

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        own = ("words", "mask", "vocabulary", "seed", "next_sentence")
        return {name: value for name, value in batch.items() if name not in own}

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Cross-entropy in nats, summed over masked tokens; the weight is their number.

        The loss of next sentences is added as its mean over the batch's blocks, times the number of masked tokens:
        both count the same, as in BERT, and a micro-batch counts by what is masked in it.
        """
        import torch

        from pipeline.tasks.language.masking import DRAWS

        ids = batch["input_ids"]
        return self._output(model, batch, torch.rand(*ids.shape, DRAWS, device=ids.device))

    def score(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """The loss with masks that follow from each block's content."""
        from pipeline.tasks.language.masking import fixed_draws

        real = batch["attention_mask"].bool().cpu()
        draws = fixed_draws(real, batch["seed"].tolist()).to(batch["input_ids"].device)
        return self._output(model, batch, draws)

    def _output(self, model: "nn.Module", batch: Mapping[str, "Tensor"], draws: "Tensor") -> Output:
        from torch.nn import functional

        from pipeline.tasks.chosen_logits import outputs_at
        from pipeline.tasks.language.masking import masked
        from pipeline.tasks.token_loss import IGNORED, chosen_loss

        ids, labels = masked(
            batch["input_ids"], batch["words"], draws, self.mask_share, batch["mask"], batch["vocabulary"]
        )
        chosen = labels != IGNORED
        outputs, logits = outputs_at(model, {**self.forward_inputs(batch), "input_ids": ids}, chosen)
        targets = labels[chosen]
        loss, weight = chosen_loss(logits, targets)
        counts = {"nats": loss, "tokens": weight, "right": (logits.argmax(-1) == targets).sum()}
        if self.next_sentence:
            answers, asked = outputs.seq_relationship_logits.float(), batch["next_sentence"]
            loss = loss + functional.cross_entropy(answers, asked) * weight
            counts["pairs"] = weight.new_tensor(len(asked))
            counts["pairs_right"] = (answers.argmax(-1) == asked).sum()
        return Output(loss, weight, targets=counts)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> list[Any]:
        """For each block the ``top_k`` tokens of each of its masks: pairs of number and probability."""
        from pipeline.tasks.chosen_logits import outputs_at

        places = batch["input_ids"] == batch["mask"]
        _, logits = outputs_at(model, self.forward_inputs(batch), places)
        best = logits.float().softmax(-1).topk(min(self.top_k, logits.shape[-1]), -1)
        found = [
            list(zip(*one, strict=True))
            for one in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        ends = places.sum(1).cumsum(0).tolist()
        return [found[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.language.metrics import Counts

        more = ("pairs", "pairs_right") if self.next_sentence else ()
        return Counts("tokens", "right", *more, floats=("nats",))

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        """Perplexity and accuracy of masked tokens, and of next sentences."""
        from pipeline.tasks.language.metrics import perplexity

        tokens = float(computed["tokens"])
        values = {
            "perplexity": perplexity(float(computed["nats"]) / max(tokens, 1)),
            "masked_accuracy": float(computed["right"]) / max(tokens, 1),
        }
        if self.next_sentence:
            values["nsp_accuracy"] = float(computed["pairs_right"]) / max(float(computed["pairs"]), 1)
        return Scores(values)

    def directions(self, head: Head) -> dict[str, bool]:
        return {
            "loss": False,
            "perplexity": False,
            "masked_accuracy": True,
            **({"nsp_accuracy": True} if self.next_sentence else {}),
        }

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``filled``: the text with the likeliest token in the place of each mask; ``masks``: for each of them tokens
        and their probabilities, the likeliest first. Several masks are predicted each by itself."""
        from pipeline.tasks.language.masked_answers import filled

        return [filled(answer.row["text"], answer.predictions, tokenizer) for answer in answers]
