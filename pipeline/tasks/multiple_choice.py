"""Choosing the right one of several texts, of which every row has its own: any number of them.

    a row of data   {"context": "The chicken cannot fly. It", "choices": ["flies.", "crosses the road."], "label": 1}
    a prediction    {"label": 1, "choice": 1, "text": "crosses the road.", "score": 0.9, "scores": [0.1, 0.9]}

With a question, which is put before each choice (or the words that every choice goes on from):

    {"context": "Ann fed her cat.", "question": "Who was fed?", "choices": ["Ann", "the cat"], "label": "B"}

With ``choice_columns=[ending0,ending1]``, the choices from columns of these names:

    {"context": "A band walks by.", "question": "A drummer", "ending0": "waves.", "ending1": "is red.", "label": 0}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from pipeline.component import component
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.choices.rows import LabelKind

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

TEXTS = {
    "context": Column("the text that is read before every choice"),
    "question": Column("a text that is put before each choice", required=False, may_be_empty=True),
}
LABEL = Column("the right choice: its number from 0, its letter, or its text", numbers="whole")


@component
class MultipleChoice(Task):
    """A score for each choice by itself, read together with the context; the highest wins.

    Where transformers has a multiple choice head for the architecture it is used, and elsewhere a sequence
    classification head with one output. A row's choices make one feature and go through the model together, so
    rows may have different numbers of choices. Head facts: ``label_is`` (how the right choice is given), ``grouped``
    (whether the head wants a dimension of choices), and ``fewest``, ``most``, ``chance`` of the training data.
    """

    # Columns with a choice each, in their order; the last ones may be empty in rows with fewer choices. null: the
    # column that plays the role `choices` holds a list.
    choice_columns: Annotated[list[str], Field(min_length=2)] | None = None
    # How labels name the right choice. null: found in the data.
    label_is: LabelKind | None = None
    # Share of the target that is spread over all choices of a row.
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    augmentations: ClassVar[tuple[str, ...]] = ("deletion", "swap", "mask")
    heads: ClassVar[tuple[str, ...]] = ("multiple_choice", "sequence_classification")
    one_target: ClassVar[bool] = True

    @field_validator("choice_columns")
    @classmethod
    def _are_choices(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("the same column twice")
        if others := sorted(set(names or ()) & {*TEXTS, "label"}):
            raise ValueError(f"{others[0]} is no choice")
        return names

    @property
    def columns(self) -> dict[str, Column]:  # type: ignore[override]
        if self.choice_columns is None:
            choices = {"choices": Column("the texts to choose from: a list, also written as JSON")}
        else:
            choices = {
                name: Column("a text to choose", may_be_empty=number >= 2)
                for number, name in enumerate(self.choice_columns)
            }
        return {**TEXTS, **choices, "label": LABEL}

    @property
    def monitor(self) -> str:
        return "accuracy"

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        import transformers

        from pipeline.tasks.choices.rows import learn_choices

        grouped = type(config) in transformers.AutoModelForMultipleChoice._model_mapping
        return {**learn_choices(data, self.choice_columns, self.label_is), "grouped": grouped}

    def describe(self, head: Head) -> dict[str, str]:
        """How many choices there are, and what guessing gives."""
        from pipeline.tasks.choices.rows import KINDS

        many = "" if head["fewest"] == head["most"] else f"{head['fewest']} to "
        guess = f"accuracy of guessing {head['chance']:.3f}"
        return {"choices": f"{many}{head['most']} a row, {guess}; labels are {KINDS[head['label_is']]}"}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        config = checkpoint.config(folder, num_labels=1)
        # A cache of keys and values serves generation; here it would only take memory.
        config.update({"problem_type": None, "use_cache": False})
        return checkpoint.build(folder, self.heads, config, meta=meta)

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """What the tokenizer makes of the context with each choice: lists with an entry for each choice of a row.

        ``length`` counts the tokens of all choices, ``label`` is the number of the right one. Raises BadInput for
        what cannot be read.
        """
        from pipeline.tasks.choices.encoding import encode_choices, read_rows

        choices, labels = read_rows(rows, self.choice_columns, head["label_is"])
        features = encode_choices(
            rows["context"], rows.get("question"), choices, tokenizer, self.max_length, DEFAULT_LENGTH
        )
        features["grouped"] = [head["grouped"]] * len(choices)
        return features if labels is None else {**features, "label": labels}

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs of all choices one after the other, padded to the longest: (choices, tokens), or for a head that
        wants a dimension of choices (choices, 1, tokens). ``choices``: their number in each example, (examples,).
        ``labels``: (examples,)."""
        import torch

        from pipeline.tasks.encoding import pad

        inputs = [name for name in tokenizer.model_input_names if name in features[0]]
        single = [
            {name: row[name][i] for name in inputs} for row in features for i in range(len(row["input_ids"]))
        ]
        batch = pad(single, tokenizer, self.pad_to_multiple_of)
        if features[0]["grouped"]:
            batch = {name: value.unsqueeze(1) for name, value in batch.items()}
        batch["choices"] = torch.tensor([len(row["input_ids"]) for row in features])
        if "label" in features[0]:
            batch["labels"] = torch.tensor([row["label"] for row in features])
        return batch

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        return {name: value for name, value in batch.items() if name not in ("choices", "labels")}

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Cross-entropy over a row's choices, summed over rows; smoothed over those that the row has."""
        from torch.nn import functional

        logits, targets = self.predict(model, batch), batch["labels"]
        loss = functional.cross_entropy(logits, targets, reduction="sum")
        if self.label_smoothing:
            each = functional.log_softmax(logits, -1).masked_fill(logits.isneginf(), 0.0)
            spread = -(each.sum(-1) / batch["choices"]).sum()
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * spread
        return Output(loss, logits.new_tensor(len(targets)), logits, targets)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """Logits in float32: (examples, most choices), -inf where a row has fewer of them."""
        import torch

        from pipeline.tasks.read_tokens import outputs_of

        each = outputs_of(model, self.forward_inputs(batch)).logits.float().view(-1)
        counts = batch["choices"]
        there = torch.arange(int(counts.max()), device=counts.device) < counts.unsqueeze(1)
        return each.new_full(there.shape, -torch.inf).masked_scatter(there, each)

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.choices.metrics import ChoiceMetrics

        return ChoiceMetrics()

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        return Scores({name: float(computed[name]) for name in ("accuracy", "mrr")})

    def directions(self, head: Head) -> dict[str, bool]:
        return {"loss": False, "accuracy": True, "mrr": True}

    def voting(self, head: Head) -> "Voting":
        from pipeline.tasks.voting import Choices

        return Choices()

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``label`` as it stands in the data, ``choice`` (its number from 0), its ``text`` and probability
        ``score``, and ``scores`` of all choices in their order."""
        from pipeline.tasks.choices.encoding import read_rows
        from pipeline.tasks.choices.rows import label_as_in_data

        names = ["context", *(self.choice_columns or ["choices"])]
        rows = {name: [answer.row.get(name) for answer in answers] for name in names}
        all_choices, _ = read_rows(rows, self.choice_columns, head["label_is"])
        said = []
        for answer, choices in zip(answers, all_choices, strict=True):
            scores = answer.predictions[0][: len(choices.texts)].float().softmax(-1).tolist()
            best = max(range(len(scores)), key=scores.__getitem__)
            label = label_as_in_data(best, choices, head["label_is"])
            said.append(
                {
                    "label": label,
                    "choice": best,
                    "text": choices.texts[best],
                    "score": scores[best],
                    "scores": scores,
                }
            )
        return said
