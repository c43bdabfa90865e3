"""A number for a text or a pair of texts, such as a rating or a similarity; or several numbers.

    a row of data   {"text": "A gripping film.", "label": 4.5}
    a prediction    {"value": 4.1}

With a pair, as in how similar two texts are:

    {"text": "A plane is taking off.", "text_pair": "An air plane is taking off.", "label": 5.0}

With ``target_columns=[fluency,adequacy]``, the columns of these names:

    a row of data   {"text": "Ein Haus.", "text_pair": "A house.", "fluency": 5, "adequacy": 4.5}
    a prediction    {"values": {"fluency": 4.7, "adequacy": 4.1}}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.component import component
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.pooled_head import HeadDropout, HeadLayers, Pooling

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.errors import Problem
    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.tasks.voting import Voting
    from pipeline.training.answers import Answer

DEFAULT_LENGTH = 512

TEXTS = {
    "text": Column("the text that the numbers are of"),
    "text_pair": Column("a second text, looked at together with the first", required=False),
}


@component
class Regression(Task):
    """Regression by a sequence classification head of transformers, or a pooled model, with one output for each target.

    The model learns targets that are standardised by their mean and standard deviation in the training data, and
    everything that is said of them is in the units of the data. Head facts, which are in the saved model's
    configuration too, lists with an entry for each target: ``target_names``, ``target_mean``, ``target_scale`` (the
    standard deviation), ``target_low`` and ``target_high`` (the range in the training data). A target is the
    model's output times its scale plus its mean. ``pooled`` is there where the head is not that of transformers (see
    :mod:`pipeline.tasks.pooled_head`).
    """

    # Columns with one target each. null: the column that plays the role `label` is the only target.
    target_columns: Annotated[list[str], Field(min_length=1)] | None = None
    # What is made small, of standardised targets: squared errors, absolute ones, or squared ones that go on as
    # absolute ones beyond huber_delta (Huber 1964).
    error: Literal["mse", "mae", "huber"] = "mse"
    huber_delta: Annotated[float, Field(gt=0)] = 1.0
    # Whether predictions are cut to the range of the training data.
    clip: bool = False
    # What the head reads: the mean or maximum of all tokens, the first token (cls), the last, or a mean with learned
    # weights (attention); auto: what suits the model. null: as transformers does it.
    pooling: Pooling | None = None
    # Sizes of the hidden layers of the head. None: it is linear.
    head_layers: HeadLayers = Field(default_factory=list)
    # Dropout in front of every layer of such a head. null: model.dropout, or 0.1.
    head_dropout: HeadDropout = None
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    augmentations: ClassVar[tuple[str, ...]] = ("deletion", "swap", "mask", "mixup")
    heads: ClassVar[tuple[str, ...]] = ("sequence_classification",)
    one_target: ClassVar[bool] = True

    @field_validator("target_columns")
    @classmethod
    def _are_targets(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("the same column twice")
        if texts := sorted(set(names or ()) & TEXTS.keys()):
            raise ValueError(f"{texts[0]} is what the numbers are of")
        return names

    @property
    def columns(self) -> dict[str, Column]:  # type: ignore[override]
        if self.target_columns is None:
            label = Column("its number; with several of them set task.target_columns", numbers="any")
            return {**TEXTS, "label": label}
        targets = {name: Column("a number of the text", numbers="any") for name in self.target_columns}
        return {**TEXTS, **targets}

    @property
    def targets(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.target_columns or ("label",))

    @property
    def monitor(self) -> str:
        # Unlike correlations it sees the scale, and unlike errors it weighs targets of any scale the same.
        return "r2"

    def conflicts(self, spec: Any) -> "list[Problem]":
        """A head that the model cannot have."""
        from pipeline.tasks import pooled_head

        return list(pooled_head.problems(self, spec))

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.numbers.targets import learn_targets
        from pipeline.tasks.pooled_head import head_of_text

        pooled = head_of_text(config, self.pooling, self.head_layers, self.head_dropout)
        return learn_targets(self.targets, data) | ({"pooled": pooled} if pooled else {})

    def describe(self, head: Head) -> dict[str, str]:
        """The targets with their range, mean and standard deviation in the training data."""
        from pipeline.tasks.pooled_head import described

        columns = (head[f"target_{fact}"] for fact in ("names", "low", "high", "mean", "scale"))
        each = [
            f"{name} {low:g} to {high:g} (mean {mean:.4g}, deviation {scale:.4g})"
            for name, low, high, mean, scale in zip(*columns, strict=True)
        ]
        return {"targets": f"{len(each)}: {', '.join(each)}", **described(head.get("pooled"))}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        names = head["target_names"]
        config = checkpoint.config(folder)
        before = getattr(config, "target_names", None), getattr(config, "target_scale", None)
        facts = {
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": "regression",
            # A cache of keys and values serves generation; here it would only take memory.
            "use_cache": False,
            **{name: fact for name, fact in head.items() if name != "pooled"},
        }
        model, report = checkpoint.build(
            folder, self.heads, config, facts=facts, pooled=head.get("pooled"), meta=meta
        )
        if before[0] and before != (names, head["target_scale"]) and not report.initialised:
            what = ", ".join(before[0])
            report = report.noting(
                f"the head was trained for other targets ({what}) or scales and starts there"
            )
        return model, report

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """What the tokenizer makes, with ``length`` and ``truncated``, and ``label``, the standardised targets,
        where the rows have them. Raises BadInput for a row without text, and a target that is no number."""
        from pipeline.tasks.encoding import encode_texts
        from pipeline.tasks.numbers.targets import standardised

        features = encode_texts(
            rows["text"], rows.get("text_pair"), tokenizer, self.max_length, DEFAULT_LENGTH
        )
        if all(name in rows for name in self.targets):
            features["label"] = standardised(rows, head)
        return features

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs padded to the longest, and with ``label`` among the features ``labels``: (examples, targets)
        floats."""
        import torch

        from pipeline.tasks.encoding import pad

        batch = pad(features, tokenizer, self.pad_to_multiple_of)
        if "label" in features[0]:
            batch["labels"] = torch.tensor([row["label"] for row in features], dtype=torch.float32)
        return batch

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Error of standardised targets, averaged over an example's targets and summed over examples."""
        targets, outputs = batch["labels"], self.predict(model, batch)
        each, weights = self.example_losses(model, outputs, targets)
        return Output(each.sum(), weights.sum(), outputs, targets)

    def example_losses(
        self, model: "nn.Module", outputs: "Tensor", targets: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        from torch.nn import functional

        if self.error == "mse":
            each = functional.mse_loss(outputs, targets, reduction="none")
        elif self.error == "mae":
            each = functional.l1_loss(outputs, targets, reduction="none")
        else:
            each = functional.huber_loss(outputs, targets, reduction="none", delta=self.huber_delta)
        return each.mean(-1), outputs.new_ones(len(targets))

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """The model's outputs, predictions of standardised targets, in float32: (examples, targets)."""
        from pipeline.tasks.read_tokens import outputs_of

        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return outputs_of(model, inputs).logits.float()

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.numbers.metrics import RegressionMetrics

        return RegressionMetrics(head, clip=self.clip)

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        from pipeline.tasks.numbers.metrics import scores_of

        return scores_of(computed, head["target_names"])

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.numbers.metrics import directions

        return {"loss": False, **directions(head["target_names"])}

    def voting(self, head: Head) -> "Voting":
        from pipeline.tasks.voting import Values

        return Values(head)

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``value``, or with ``target_columns`` ``values`` by name, in the units of the data."""
        import torch

        from pipeline.tasks.numbers.metrics import in_units

        outputs = torch.stack([answer.predictions[0] for answer in answers])
        rows = in_units(outputs, head, clip=self.clip).tolist()
        if self.target_columns is None:
            return [{"value": value} for (value,) in rows]
        return [{"values": dict(zip(self.target_columns, row, strict=True))} for row in rows]
