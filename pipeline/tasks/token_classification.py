"""Tagging words: named entities, parts of speech, whatever is to be extracted from a text.

    a row of data   {"tokens": ["Ann", "lives", "in", "Oslo", "."], "tags": ["B-PER", "O", "O", "B-LOC", "O"]}
    a prediction    {"entities": [{"start": 0, "end": 3, "label": "PER", "text": "Ann", "score": 0.99}, …],
                     "tags": ["B-PER", "O", "O", "B-LOC", "O"], "scores": [0.99, …]}

Or with spans of characters instead of words:

    a row of data   {"text": "Ann lives in Oslo.", "spans": [{"start": 0, "end": 3, "label": "PER"}]}

A trained model takes either; of a ``text`` it also says into which ``tokens`` it was cut.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.pooled_head import HeadDropout, HeadLayers

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.tasks.voting import Voting
    from pipeline.training.answers import Answer

DEFAULT_LENGTH = 512
DEFAULT_STRIDE = 128
SHOWN_LABELS = 12
# What an optimizer step is divided by when no word in it has a tag: gradients of zero, not of 0/0.
_NEXT_TO_NOTHING = 1e-6


@component
class TokenClassification(Task):
    """Tagging by a token classification head of transformers.

    Head facts: ``labels`` (tags in the order of the classes), ``scheme``, ``input`` (``tokens`` or ``text``: what
    training had), ``names`` (of tags that are numbers in the data), ``frequent`` (said of words that no token is
    of), and ``counts``, ``words`` and ``empty`` rows of the data.
    """

    # What the tags are: bio (B-X, I-X, O, also IOB1), bioes (also BILOU), none (plain tags, as parts of speech);
    # auto: seen from the tags.
    scheme: Literal["auto", "bio", "bioes", "none"] = "auto"
    # All tags in their order (of spans: their types). null: those of the training data, sorted. For tags that are
    # numbers: their names.
    labels: Annotated[list[str | int | bool], Field(min_length=1)] | None = None
    # The token that stands for its word: first; last (a decoder-only model has seen the word by then); or all of
    # them in training, and the first in prediction.
    label_tokens: Literal["first", "last", "all"] = "first"
    # Tokens that two windows over a long text share. null: 128, at most half a window.
    stride: Annotated[int, Field(ge=0)] | None = None
    # A span that begins or ends inside of a word: error, or expand (it takes the whole word).
    misaligned_spans: Literal["error", "expand"] = "error"
    # Score only spans that are well-formed in the scheme (seqeval's mode strict); otherwise as conlleval does.
    strict: bool = False
    # Share of the target that is spread over all tags (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Sizes of the hidden layers of the head. None: it is the one of transformers, which is linear.
    head_layers: HeadLayers = Field(default_factory=list)
    # Dropout in front of every layer of such a head. null: model.dropout, or 0.1.
    head_dropout: HeadDropout = None
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "tokens": Column("the words: a list, or a text with spaces between them", required=False),
        "tags": Column("a tag for every word: a list, or a text with spaces between them", required=False),
        "text": Column("a text, instead of words", required=False),
        "spans": Column("what is marked in the text: a list of {start, end, label}", required=False),
    }
    targets: ClassVar[tuple[str, ...]] = ("tags", "spans")
    alternatives: ClassVar[tuple[str, ...]] = ("tokens", "text")
    heads: ClassVar[tuple[str, ...]] = ("token_classification",)
    one_target: ClassVar[bool] = True
    scored_by_row: ClassVar[bool] = True

    @property
    def monitor(self) -> str:
        return "accuracy" if self.scheme == "none" else "f1"

    def monitor_for(self, head: Head) -> str:
        return "accuracy" if head["scheme"] == "none" else "f1"

    def conflicts(self, spec: Any) -> list[Problem]:
        """A head that the model cannot have."""
        from pipeline.tasks import pooled_head

        return list(pooled_head.problems(self, spec))

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.pooled_head import head_of_tokens
        from pipeline.tasks.tagging.head import learn_head

        pooled = head_of_tokens(config, self.head_layers, self.head_dropout)
        return learn_head(self, data, config) | ({"pooled": pooled} if pooled else {})

    def describe(self, head: Head) -> dict[str, str]:
        """Spans of each type (or words of each tag) in training, most frequent first."""
        from pipeline.tasks.pooled_head import described

        counts = sorted(head["counts"]["train"].items(), key=lambda item: -item[1])
        each = [f"{name} {count:,}" for name, count in counts]
        kind = "tags" if head["scheme"] == "none" else f"entities ({head['scheme']})"
        empty = f"; {head['empty']:,} rows without a word" if head["empty"] else ""
        return {
            kind: f"{len(each)}: {listing(each, SHOWN_LABELS)} in {head['words']['train']:,} words{empty}",
            **described(head.get("pooled")),
        }

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        config = checkpoint.config(folder)
        facts = {
            "id2label": dict(enumerate(head["labels"])),
            "label2id": {name: number for number, name in enumerate(head["labels"])},
            "use_cache": False,
        }
        return checkpoint.build(folder, self.heads, config, facts=facts, pooled=head.get("pooled"), meta=meta)

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Windows over each row: what the tokenizer makes, ``places`` (of the tokens that stand for words),
        ``words`` (the numbers of these in the row) and ``labels`` (a class number a token, or IGNORED).

        Every word is in the one window where it has most around it: none is lost, none counts twice. Raises
        BadInput for tags that the head does not have, rows that do not fit together, or data without tags.
        """
        if not any(name in rows for name in self.targets):
            raise BadInput(
                Problem("data.columns.tags", "the data has no tags", "a column of tags, or of spans")
            )
        return self._encode(rows, tokenizer, head, learn=True)

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """As :meth:`encode` makes it, without ``labels``."""
        return self._encode(rows, tokenizer, head, learn=False)

    def _encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head, *, learn: bool
    ) -> dict[str, list[Any]]:
        from pipeline.tasks.encoding import longest_input
        from pipeline.tasks.tagging.windows import windows
        from pipeline.tasks.windows import check_offsets, overlap

        check_offsets(tokenizer)
        limit = longest_input(tokenizer, self.max_length, DEFAULT_LENGTH, pair=False)
        room = limit - tokenizer.num_special_tokens_to_add(pair=False)
        words, tags = self._read(rows, head, learn)
        return windows(
            words,
            tags,
            tokenizer,
            head,
            limit=limit,
            stride=overlap(self.stride, room, DEFAULT_STRIDE),
            which=self.label_tokens,
        )

    def _read(
        self, rows: Mapping[str, list[Any]], head: Head, learn: bool
    ) -> "tuple[list[Any], list[list[int]] | None]":
        """Words and tag numbers of every row. Raises BadInput with everything that is wrong."""
        from pipeline.tasks.tagging.rows import TAGS, RowError, tags_of, words_of

        labels = head["labels"]
        numbers = {name: number for number, name in enumerate(labels)}
        words, tags = [], []
        faults: dict[str, Problem] = {}
        for place in range(len(next(iter(rows.values())))):
            row = {name: values[place] for name, values in rows.items()}
            try:
                words.append(words_of(row, head))
                if not learn:
                    continue
                names = tags_of(row, words[-1], head, self.misaligned_spans == "expand")
                tags.append([numbers[name] for name in names])
            except RowError as error:
                faults.setdefault(error.kind, Problem(error.where, str(error)))
            except KeyError as unknown:
                name = unknown.args[0]
                what, allowed = (
                    f"the model has no tag {name!r}",
                    f"tags that the model knows: {listing(labels)}",
                )
                faults[name] = Problem(TAGS, what, allowed, nearest(name, labels))
        if faults:
            raise BadInput(list(faults.values()))
        return words, tags if learn else None

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs padded to the longest; ``places``: (windows, tokens) bool; ``labels``: (windows, tokens)."""
        import torch

        from pipeline.tasks.encoding import pad
        from pipeline.tasks.token_loss import IGNORED

        batch = pad(features, tokenizer, self.pad_to_multiple_of)
        shape = batch["input_ids"].shape
        batch["places"] = torch.zeros(shape, dtype=torch.bool)
        if "labels" in features[0]:
            batch["labels"] = torch.full(shape, IGNORED)
        for line, row in enumerate(features):
            length = len(row["input_ids"])
            start = shape[1] - length if tokenizer.padding_side == "left" else 0
            batch["places"][line, [start + place for place in row["places"]]] = True
            if "labels" in row:
                batch["labels"][line, start : start + length] = torch.tensor(row["labels"])
        return batch

    def forward_inputs(self, batch: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        return {name: value for name, value in batch.items() if name not in ("labels", "places")}

    def loss(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        """Cross-entropy over the tokens that have a tag; divided by its weight what the model itself gives."""
        return self._loss(model(**self.forward_inputs(batch)).logits, batch)

    def _loss(self, logits: "Tensor", batch: "Mapping[str, Tensor]") -> Output:
        from pipeline.tasks.token_loss import token_loss

        loss, count = token_loss(logits, batch["labels"], self.label_smoothing)
        return Output(loss, count.to(loss.dtype).clamp(min=_NEXT_TO_NOTHING))

    def score(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> Output:
        logits = model(**self.forward_inputs(batch)).logits
        output = self._loss(logits, batch)
        return Output(output.loss, output.weight, _said(logits, batch["places"]))

    def predict(self, model: "nn.Module", batch: "Mapping[str, Tensor]") -> "list[Tensor]":
        """For each window (2, words): class numbers, and their probabilities."""
        return _said(model(**self.forward_inputs(batch)).logits, batch["places"])

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.tagging.metrics import TagCounts
        from pipeline.tasks.tagging.rows import tags_of, words_of

        def true_tags(row: Mapping[str, Any]) -> list[str]:
            return tags_of(row, words_of(row, head), head, self.misaligned_spans == "expand")

        return TagCounts(head["labels"], head["scheme"], true_tags, strict=self.strict)

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        from pipeline.tasks.tagging.metrics import scores_of

        return scores_of(computed, head["labels"], head["scheme"])

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.tagging.metrics import names_of_scores

        return {"loss": False, **dict.fromkeys(names_of_scores(head["labels"], head["scheme"]), True)}

    def voting(self, head: Head) -> "Voting":
        from pipeline.tasks.voting import Tags

        return Tags()

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``entities`` with their characters in the text (in words joined by spaces where there is no text),
        ``tags`` and ``scores`` of the words, and ``tokens`` where the words are not the asker's own."""
        from pipeline.tasks.tagging.answers import decoded

        return [decoded(answer, head) for answer in answers]


def _said(logits: "Tensor", places: "Tensor") -> "list[Tensor]":
    """The best tag of each word and its probability, window by window, on the CPU."""
    import torch

    chosen = logits[places].float()
    scores, tags = chosen.softmax(-1).max(-1) if len(chosen) else (chosen.new_empty(0), chosen.new_empty(0))
    both = torch.stack([tags.to(scores.dtype), scores]).cpu()
    return list(both.split(places.sum(-1).tolist(), dim=1))
