"""What a task is: which columns it reads, how they become tensors, what is learned and how it is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import MetricCollection
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport

# Facts about the head, learned from the training data (labels, ranges, …). Plain JSON.
Head = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A role that a column of the data plays in a task."""

    description: str
    required: bool = True


@dataclass(frozen=True)
class Output:
    """What one batch gave.

    loss: scalar tensor, the SUM over what ``weight`` counts (examples or tokens), so that accumulation steps,
        ranks and batches of unequal size weigh as one big batch would.
    weight: scalar tensor.
    predictions, targets: what ``metrics()`` is updated with; first dimension is the example.
    """

    loss: "Tensor"
    weight: "Tensor"
    predictions: "Tensor"
    targets: "Tensor"


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
    # The transformers Auto class that the model is loaded with, e.g. "AutoModelForSequenceClassification".
    auto_class: ClassVar[str]

    @property
    def monitor(self) -> str:
        """The metric that chooses the best checkpoint unless ``trainer.monitor`` names another."""
        return "loss"

    def learn(self, data: "DatasetDict") -> Head:
        """Facts about the head from ``data`` (splits of rows with this task's columns).

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
        """A batch of rows (column -> values) to features (name -> values), one feature row per example.

        Among them are ``input_ids``, ``length`` (their number) and ``truncated`` (whether text was cut off).
        Columns with targets may be absent (prediction).
        """
        raise NotImplementedError

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Encoded rows to one padded batch."""
        raise NotImplementedError

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Forward pass and loss. Without targets in ``batch`` (prediction), use :meth:`predict`."""
        raise NotImplementedError

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """Raw predictions (logits), first dimension the example; what :meth:`decode` reads."""
        raise NotImplementedError

    def metrics(self, head: Head) -> "MetricCollection":
        """torchmetrics metrics, updated with an Output's predictions and targets."""
        raise NotImplementedError

    def scores(self, computed: Mapping[str, "Tensor"], head: Head) -> Scores:
        """What ``metrics().compute()`` gave, as named numbers and tables."""
        raise NotImplementedError

    def directions(self, head: Head) -> dict[str, bool]:
        """Whether higher is better, for the loss and every name that :meth:`scores` may give."""
        return {"loss": False}

    def decode(self, predictions: "Tensor", head: Head) -> list[dict[str, Any]]:
        """Raw predictions to rows for a person or a file."""
        raise NotImplementedError
