"""What a task is: which columns it reads, how they become tensors, what is learned and how it is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import Metric, MetricCollection
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.tasks.voting import Voting
    from pipeline.training.answers import Answer

# Facts about the head, learned from the training data (labels, ranges, …). Plain JSON.
Head = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A role that a column of the data plays in a task."""

    description: str
    required: bool = True
    # Whether rows to predict may have nothing in it.
    may_be_empty: bool = False
    # Which numbers its cells become where the data has texts alone, as csv does: any, or those of columns that hold
    # whole ones only (a label 1, not the version 1.10). None: they stay what is written there.
    numbers: Literal["any", "whole"] | None = None


@dataclass(frozen=True)
class Output:
    """What one batch gave.

    loss: scalar tensor, the SUM over what ``weight`` counts (examples or tokens), so that accumulation steps,
        ranks and batches of unequal size weigh as one big batch would.
    weight: scalar tensor.
    predictions: what is known of each example: a tensor whose first dimension is the example, or a list with
        something small for each; None where a task predicts nothing for an example by itself.
    targets: what ``metrics()`` is updated with beside the predictions.
    """

    loss: "Tensor"
    weight: "Tensor"
    predictions: "Tensor | list[Any] | None" = None
    targets: Any = None


@dataclass(frozen=True)
class Scores:
    """Metric values without a split's prefix, and tables (rows of cells, the first row being the header)."""

    values: dict[str, float]
    tables: dict[str, list[list[Any]]] = field(default_factory=dict)


@component
class Task:
    """Base of all tasks: one file in ``pipeline/tasks`` (or a module of yours) and one yaml.

    Methods other than field validation run after the configuration is known to be good, so they may import
    torch; the module itself may not.
    """

    # Longest input in tokens, special tokens included. null: what the model can take, at most 512.
    max_length: Annotated[int, Field(ge=2)] | None = None

    columns: ClassVar[dict[str, Column]]
    # Columns that hold what is to be predicted: absent when a trained model is asked.
    targets: ClassVar[tuple[str, ...]] = ("label",)
    # Columns of which one is enough: what a trained model is asked may have another one than the training data.
    alternatives: ClassVar[tuple[str, ...]] = ()
    # Columns by whose texts rows are told apart when data is audited. None: all that are no targets.
    identified_by: ClassVar[tuple[str, ...] | None] = None
    # Whether a text has one right target, so that rows with the same text and other targets contradict each other.
    one_target: ClassVar[bool] = False
    # The heads that serve the task, the best first, by their names in `pipeline.models.heads`. Which of them a
    # model can have decides what class of transformers is loaded.
    heads: ClassVar[tuple[str, ...]]
    # Whether ``metrics`` are updated with whole rows (what :meth:`decode` says, and the rows of the data) rather
    # than with each batch's predictions and targets.
    scored_by_row: ClassVar[bool] = False
    # What `data.augmentation` may do to training examples without their targets becoming wrong.
    augmentations: ClassVar[tuple[str, ...]] = ()
    # Whether the model writes text when it is scored.
    writes_when_scored: ClassVar[bool] = False
    # Rows that are read, sorted by length and predicted together. Fewer where each takes long to answer.
    prediction_chunk: ClassVar[int] = 2_048

    @property
    def monitor(self) -> str:
        """The metric that chooses the best checkpoint unless ``trainer.monitor`` names another."""
        return "loss"

    def monitor_for(self, head: Head) -> str:
        """The same where it depends on the data."""
        return self.monitor

    def heads_for(self, head: Head) -> tuple[str, ...]:
        """The heads of the model that :meth:`load` gives, where they depend on the data."""
        return self.heads

    def inputs_vary(self) -> str | None:
        """Why the model does not read the same whenever it sees an example; None: it does, so that a frozen part of
        it needs to be computed once only."""
        return None

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Facts about the head from ``data`` (splits of rows with this task's columns) and the model's
        configuration.

        Raises BadInput where the data cannot serve the task (a label in validation that training lacks …).
        """
        raise NotImplementedError

    def describe(self, head: Head) -> dict[str, str]:
        """What a person should see of the head's facts before training: what, and its text."""
        return {}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        """The model with this task's head, in float32, and which of its weights are new.

        On the meta device (no memory, empty report) when ``meta``.
        """
        raise NotImplementedError

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """A batch of rows (column -> values) to features (name -> values).

        Among them are ``input_ids``, ``length`` (their number, what a batch's cost depends on) and ``truncated``
        (whether text was cut off). A row may give several features (windows over a long text), which then follow
        each other and say in ``row`` the number of their row in this batch; every row gives at least one.
        Columns with targets may be absent.
        """
        raise NotImplementedError

    def encode_training(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """The same of rows that are trained on and never scored, of which several may share a feature."""
        return self.encode(rows, tokenizer, head)

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Rows that a trained model is asked about, to what :meth:`predict` reads. They are never scored."""
        asked = {name: values for name, values in rows.items() if name not in self.targets}
        return self.encode(asked, tokenizer, head)

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Encoded rows to one padded batch."""
        raise NotImplementedError

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        """What of a batch the model's forward pass takes to compute its outputs, without a loss."""
        return {name: value for name, value in batch.items() if name != "labels"}

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Forward pass and loss, in training. Without targets in ``batch``, use :meth:`predict`."""
        raise NotImplementedError

    def example_losses(
        self, model: "nn.Module", outputs: "Tensor", targets: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """The loss of each example, and its weight, where the model gave ``outputs``: what :meth:`loss` sums. Of tasks
        with ``mixup`` among their augmentations."""
        raise NotImplementedError

    def score(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Forward pass, loss and predictions, in evaluation."""
        return self.loss(model, batch)

    def score_validation(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """The same for the validation splits of a training run, where a task may leave out what takes long."""
        return self.score(model, batch)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor | list[Any]":
        """Raw predictions (logits, token numbers, …), one for each feature; what :meth:`decode` reads."""
        raise NotImplementedError

    def metrics(self, head: Head) -> "Metric | MetricCollection | None":
        """What is updated with an Output's predictions and targets, or with ``scored_by_row`` with a list of what
        was said of rows and a list of these rows. Its states are reduced over processes by torchmetrics."""
        return None

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        """What ``metrics().compute()`` gave, and ``loss`` (its mean), as named numbers and tables; the loss itself
        need not be among them."""
        return Scores({})

    def directions(self, head: Head) -> dict[str, bool]:
        """Whether higher is better, for the loss and every name that :meth:`scores` may give."""
        return {"loss": False}

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """Raw predictions to rows for a person or a file, one for each answer."""
        raise NotImplementedError

    def voting(self, head: Head) -> "Voting | None":
        """How several models of this task vote on a row; None where what they say has no mean."""
        return None

    def save(self, folder: str, head: Head, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Write what others need to use the model as this task does into ``folder``, beside its weights."""
