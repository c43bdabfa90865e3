"""Answering questions with a part of a given text, or finding that the text does not answer them.

    a row of data   {"question": "Where is Oslo?", "context": "Oslo is in Norway.",
                     "answers": {"text": ["Norway"], "answer_start": [11]}}
    a prediction    {"answer": "Norway", "start": 11, "end": 17, "score": 0.93,
                     "n_best": [{"answer": "Norway", "start": 11, "end": 17, "score": 0.93}, …]}

An answer can also be just a text that is in the context, or a list of those; none is right where there is none.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.tasks.base import Column, Head, Output, Scores, Task

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.training.answers import Answer

# Devlin et al. 2019 (arXiv:1810.04805), appendix A.3.
DEFAULT_LENGTH, DEFAULT_STRIDE = 384, 128
# What of a batch the model's forward pass does not take.
_OURS = ("start", "end", "null", "allowed")
# What an optimizer step is divided by when nothing in it has a target: gradients of zero, not of 0/0.
_NEXT_TO_NOTHING = 1e-6


@component
class QuestionAnswering(Task):
    """Extractive question answering by a head with a logit for every token to be the start, and to be the end.

    Head facts: ``unanswerable`` (whether training has questions without an answer; if so, the model may say so) and
    ``counts`` of each split.
    """

    # Tokens that two windows over a long context share. null: 128, at most half a window.
    stride: Annotated[int, Field(ge=0)] | None = None
    # Longest question in tokens; what is longer is cut. null: half of what a window holds.
    max_question_length: Annotated[int, Field(ge=1)] | None = None
    # Longest answer in tokens.
    max_answer_length: Annotated[int, Field(ge=1)] = 30
    # Answers that are kept of every window, and listed with their probabilities.
    n_best: Annotated[int, Field(ge=1)] = 5
    # How much the score of "no answer" must exceed that of the best answer; higher: more questions are answered.
    null_threshold: float = 0.0
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "question": Column("the question"),
        "context": Column("the text that may answer it"),
        "answers": Column("the right answers: parts of the context; empty where it has none"),
        "id": Column("what the row is known by", required=False),
    }
    targets: ClassVar[tuple[str, ...]] = ("answers",)
    identified_by: ClassVar[tuple[str, ...]] = ("question", "context")
    heads: ClassVar[tuple[str, ...]] = ("question_answering",)
    scored_by_row: ClassVar[bool] = True

    @property
    def monitor(self) -> str:
        return "f1"

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.spans.answers import learn_head

        return learn_head(data)

    def describe(self, head: Head) -> dict[str, str]:
        """Questions of the training data with and without an answer."""
        count = head["counts"]["train"]
        ambiguous = count["ambiguous"]
        text = f"{count['answered']:,} questions with an answer, {count['unanswerable']:,} without"
        if ambiguous:
            text += f"; {ambiguous:,} answers occur more than once in their context: the first one is taken"
        if not head["unanswerable"] and any(c["unanswerable"] for c in head["counts"].values()):
            text += (
                "; the model will answer every question, also those of the other splits that have no answer"
            )
        return {"answers": text}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        return checkpoint.build(folder, self.heads, checkpoint.config(folder, use_cache=False), meta=meta)

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Windows over each context, after its question: what the tokenizer makes, ``null`` (the token that stands
        for "no answer"), ``context`` (its first token), ``starts`` and ``ends`` (characters of its tokens), and with
        answers ``start`` and ``end`` (tokens; IGNORED where nothing is to be learned).

        ``truncated`` are rows whose question was cut, or whose answer is whole in no window. Raises BadInput for an
        answer that is not in its context, or a row without question or context.
        """
        from pipeline.tasks.encoding import longest_input
        from pipeline.tasks.spans.windows import windows
        from pipeline.tasks.windows import check_offsets

        check_offsets(tokenizer)
        limit = longest_input(tokenizer, self.max_length, DEFAULT_LENGTH, pair=True)
        return windows(
            rows["question"],
            rows["context"],
            self._read(rows),
            tokenizer,
            limit=limit,
            stride=self.stride,
            default_stride=DEFAULT_STRIDE,
            longest_question=self.max_question_length,
        )

    def _read(self, rows: Mapping[str, list[Any]]) -> "list[Any] | None":
        """The answers of every row. Raises BadInput with everything that is wrong."""
        from pipeline.tasks.spans.answers import FORMS, AnswerError, answers_of, check_texts

        read = []
        faults: dict[str, Problem] = {}
        for place in range(len(rows["question"])):
            row = {name: values[place] for name, values in rows.items()}
            try:
                if "answers" in rows:
                    read.append(answers_of(row))
                else:
                    check_texts(row)
            except AnswerError as error:
                own = error.kind.startswith("data.")
                where = error.kind if own else "data.columns.answers"
                faults.setdefault(
                    error.kind, Problem(where, str(error), "a text in every row" if own else FORMS)
                )
        if faults:
            raise BadInput(list(faults.values()))
        return read if "answers" in rows else None

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs padded to the longest; ``null``, ``start`` and ``end``: (windows,) tokens; ``allowed``: (windows,
        tokens) bool, the context."""
        import torch

        from pipeline.tasks.encoding import pad
        from pipeline.tasks.token_loss import IGNORED

        batch = pad(features, tokenizer, self.pad_to_multiple_of)
        shape = batch["input_ids"].shape
        left = tokenizer.padding_side == "left"
        shifts = [shape[1] - row["length"] if left else 0 for row in features]
        batch["allowed"] = torch.zeros(shape, dtype=torch.bool)
        for line, (row, shift) in enumerate(zip(features, shifts, strict=True)):
            first = row["context"] + shift
            batch["allowed"][line, first : first + len(row["starts"])] = True
        for name in ("null", "start", "end"):
            if name in features[0]:
                places = [
                    row[name] + shift if row[name] != IGNORED else IGNORED
                    for row, shift in zip(features, shifts, strict=True)
                ]
                batch[name] = torch.tensor(places)
        return batch

    def forward_inputs(self, batch: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        return {name: value for name, value in batch.items() if name not in _OURS}

    def loss(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        """Mean of the cross-entropies of start and end over all tokens, summed over windows; divided by its weight
        what the model itself gives."""
        return self._loss(*self._logits(model, batch), batch)

    def _logits(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> "tuple[Tensor, Tensor]":
        made = model(**self.forward_inputs(batch))
        return made.start_logits.float(), made.end_logits.float()

    def _loss(self, start: "Tensor", end: "Tensor", batch: "Mapping[str, Tensor]") -> Output:
        from pipeline.tasks.token_loss import token_loss

        at_start, count = token_loss(start, batch["start"])
        at_end, _ = token_loss(end, batch["end"])
        return Output((at_start + at_end) / 2, count.to(start.dtype).clamp(min=_NEXT_TO_NOTHING))

    def score(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        start, end = self._logits(model, batch)
        output = self._loss(start, end, batch)
        return Output(output.loss, output.weight, self._best(start, end, batch))

    def predict(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> "Tensor":
        """(windows, 1 + n, 3): the null token, then the best spans: token of the context, the last one, score."""
        return self._best(*self._logits(model, batch), batch)

    def _best(self, start: "Tensor", end: "Tensor", batch: "Mapping[str, Tensor]") -> "Tensor":
        import torch

        from pipeline.tasks.spans.search import best_spans

        best = best_spans(start, end, batch["allowed"], self.max_answer_length, self.n_best)
        # Counted from the context's first token.
        best[..., :2] -= batch["allowed"].float().argmax(-1)[:, None, None]
        null = batch["null"][:, None]
        scores = start.gather(1, null) + end.gather(1, null)
        nothing = torch.stack([torch.zeros_like(scores), torch.zeros_like(scores), scores], dim=-1)
        best = torch.cat([nothing, best], dim=1)
        # As many for every batch, however short its windows are.
        missing = best.new_full((len(best), 1 + self.n_best - best.shape[1], 3), -torch.inf)
        return torch.cat([best, missing], dim=1)

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.spans.metrics import SquadScores

        return SquadScores(version_2=head["unanswerable"])

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        from pipeline.tasks.spans.metrics import values_of

        return Scores(values_of(computed["sums"].cpu(), head["unanswerable"]))

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.spans.metrics import names_of_values

        return {"loss": False, **dict.fromkeys(names_of_values(head["unanswerable"]), True)}

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``answer`` with its characters ``start`` and ``end`` in the context and its probability among the
        ``n_best``; "" and None where there is none. ``null_margin`` is what "no answer" scores above the best answer,
        to be compared with ``null_threshold``."""
        from pipeline.tasks.spans.best import best_answer

        return [
            best_answer(
                answer, n_best=self.n_best, unanswerable=head["unanswerable"], threshold=self.null_threshold
            )
            for answer in answers
        ]
