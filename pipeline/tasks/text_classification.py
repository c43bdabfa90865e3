"""Sorting texts, or pairs of texts, into classes: one class each, or any number of them.

    a row of data   {"text": "A gripping film.", "label": "positive"}
    a prediction    {"label": "positive", "score": 0.98, "scores": {"negative": 0.02, "positive": 0.98}}

With a pair, as in deciding whether one text follows from another:

    {"text": "A man sleeps.", "text_pair": "Nobody is awake.", "label": "neutral"}

With ``multi_label``, labels are a list, or one string with a separator between them:

    a row of data   {"text": "Shares fell after the election.", "label": "politics,business"}
    a prediction    {"labels": ["business"], "scores": {"business": 0.9, "politics": 0.4, "sport": 0.1}}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.pooled_head import HeadDropout, HeadLayers, Pooling

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import MetricCollection
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.tasks.voting import Voting
    from pipeline.training.answers import Answer

# Longer inputs are asked for by name: attention costs grow with the square of the length.
DEFAULT_LENGTH = 512

SHOWN_LABELS = 8


@component
class TextClassification(Task):
    """Classification by a sequence classification head of transformers, or by a pooled model.

    Head facts: ``labels`` in the order of the classes, ``multi_label``, ``class_names`` (of a `datasets`
    ClassLabel, whose cells are numbers), ``class_weights``, ``counts`` of each label in each split, and ``pooled``
    where the head is not that of transformers (see :mod:`pipeline.tasks.pooled_head`).
    """

    # Whether a text can have any number of labels.
    multi_label: bool = False
    # What is between the labels of one text, when multi_label and the column holds no lists.
    separator: Annotated[str, Field(min_length=1)] = ","
    # All labels in their order. null: those of the training data, sorted.
    labels: Annotated[list[str | int | bool], Field(min_length=1)] | None = None
    # Weights of the loss by label (1 for those not named), or such that every class weighs the same.
    class_weights: Literal["balanced"] | dict[str | int | bool, Annotated[float, Field(gt=0)]] | None = None
    # Share of the target that is spread over all labels (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Whether the run trains; interpolated from the key of the run. false: the model is scored as it is.
    train: bool = True
    # How a model without a head for these labels is scored with train=false: the label whose description is nearest
    # to the text (embedding), or likeliest after it (likelihood). null: what suits the model.
    zero_shot: Literal["embedding", "likelihood"] | None = None
    # What the labels mean, for zero_shot, e.g. {pos: a positive review}. Of the others the words of the label.
    label_descriptions: dict[str | int | bool, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )
    # What a language model reads before the label, with zero_shot=likelihood.
    prompt: Annotated[str, Field(pattern=r"^(.|\n)*\{text\}(.|\n)*\S")] = (
        "{text}\n\nThe topic of this text is"
    )
    # What the head reads: the mean or maximum of all tokens, the first token (cls), the last, or a mean with learned
    # weights (attention); auto: what suits the model. null: as transformers does it.
    pooling: Pooling | None = None
    # Sizes of the hidden layers of the head. None: it is linear.
    head_layers: HeadLayers = Field(default_factory=list)
    # Dropout in front of every layer of such a head. null: model.dropout, or 0.1.
    head_dropout: HeadDropout = None
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "text": Column("the text to classify"),
        "text_pair": Column("a second text, classified together with the first", required=False),
        "label": Column(
            "the class: a word or a whole number; several of them with multi_label", numbers="whole"
        ),
    }
    augmentations: ClassVar[tuple[str, ...]] = ("deletion", "swap", "mask", "mixup")
    heads: ClassVar[tuple[str, ...]] = ("sequence_classification",)
    one_target: ClassVar[bool] = True

    @property
    def monitor(self) -> str:
        # With several labels a text, accuracy asks for all of them at once and hardly moves.
        return "f1_micro" if self.multi_label else "accuracy"

    def conflicts(self, spec: Any) -> list[Problem]:
        """A text with several labels is no example of one class, and what only an untrained model needs is not read."""
        from pipeline.tasks import pooled_head

        problems = []
        sources = [spec.data, *spec.data.parts().values()]
        if self.multi_label and any(source.examples_per_class for source in sources):
            what = "cannot be drawn where a text has any number of labels (task.multi_label)"
            problems.append(Problem("data.examples_per_class", what, "null, or data.limit=N for fewer rows"))
        for name in ("zero_shot", "label_descriptions"):
            if self.train and getattr(self, name):
                what = "is of a model that is scored as it is, and this run trains"
                problems.append(Problem(f"task.{name}", what, "train=false"))
        return [*problems, *pooled_head.problems(self, spec)]

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.classification.head import learn_head
        from pipeline.tasks.classification.trained_head import has_head_for
        from pipeline.tasks.pooled_head import head_of_text

        head = learn_head(self, data)
        if self.train or (self.zero_shot is None and has_head_for(config, _names(head), self.labels)):
            pooled = head_of_text(config, self.pooling, self.head_layers, self.head_dropout)
            return {**head, "pooled": pooled} if pooled else head
        if self.multi_label:
            what = "cannot be done without training by a model without a head for the labels"
            raise BadInput(Problem("task.multi_label", what, "train=true, or multi_label=false"))
        if self.pooling not in (None, "auto") or self.head_layers:
            what = "is of a head for the labels, and the checkpoint has none"
            raise BadInput(Problem("task.pooling", what, "null and head_layers=[], or train=true"))
        from pipeline.tasks.classification import zero_shot

        descriptions = {str(label): text for label, text in self.label_descriptions.items()}
        facts = zero_shot.learn(_names(head), descriptions, self.zero_shot, self.prompt, config)
        return {**head, "class_weights": None, "zero_shot": facts}

    def describe(self, head: Head) -> dict[str, str]:
        """The labels with their number of training examples, most frequent first."""
        from pipeline.tasks.pooled_head import described

        counts = sorted(head["counts"]["train"].items(), key=lambda item: -item[1])
        each = [f"{name} {count:,}" for name, count in counts]
        more = (
            f", … and {len(each) - SHOWN_LABELS} more, down to {each[-1]}" if len(each) > SHOWN_LABELS else ""
        )
        shown = {"labels": f"{len(each)}: {', '.join(each[:SHOWN_LABELS])}{more}"}
        shown |= described(head.get("pooled"))
        if facts := head.get("zero_shot"):
            shown["zero-shot"] = f"by {facts['way']} of: {listing(facts['descriptions'], most=SHOWN_LABELS)}"
        return shown

    def heads_for(self, head: Head) -> tuple[str, ...]:
        from pipeline.tasks.classification import zero_shot

        return zero_shot.HEADS[head["zero_shot"]["way"]] if "zero_shot" in head else self.heads

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        names = _names(head)
        config = checkpoint.config(folder)
        if "zero_shot" in head:
            from pipeline.tasks.classification import zero_shot

            return zero_shot.load(head["zero_shot"], checkpoint, folder, config, meta=meta)
        from pipeline.tasks.classification.trained_head import labels_of

        trained_for = labels_of(config)
        if trained_for != names and sorted(trained_for) == sorted(names):
            what = f"the checkpoint's classes are {listing(trained_for)}, and here {listing(names)}"
            raise BadInput(
                Problem("task.labels", what, f"the same order: task.labels=[{','.join(trained_for)}]")
            )
        facts = {
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": f"{'multi' if self.multi_label else 'single'}_label_classification",
            "class_weights": head["class_weights"],
            # A cache of keys and values serves generation; here it would only take memory.
            "use_cache": False,
        }
        model, report = checkpoint.build(
            folder, self.heads, config, facts=facts, pooled=head.get("pooled"), meta=meta
        )
        if trained_for and trained_for != names and len(trained_for) == len(names) and not report.initialised:
            others = listing(trained_for, most=8)
            report = report.noting(f"the head was trained for other labels ({others}) and starts from there")
        return model, report

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """What the tokenizer makes, with ``length`` and ``truncated``, and ``label`` where there is one.

        ``label`` is a class number, or a list of 0 and 1 for each class. Raises BadInput for a label that the
        head does not have, or a row without text.
        """
        from pipeline.tasks.classification.targets import targets
        from pipeline.tasks.classification.zero_shot import encode_prompts
        from pipeline.tasks.encoding import encode_texts

        texts, pairs = rows["text"], rows.get("text_pair")
        facts = head.get("zero_shot", {})
        if facts.get("way") == "likelihood":
            features = encode_prompts(texts, pairs, tokenizer, facts, self.max_length, DEFAULT_LENGTH)
        else:
            features = encode_texts(texts, pairs, tokenizer, self.max_length, DEFAULT_LENGTH)
        if "label" in rows:
            features["label"] = targets(rows["label"], self, head)
        return features

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs padded to the longest, and with ``label`` among the features ``labels``: (examples,) or,
        with several labels a text, (examples, classes) floats."""
        import torch

        from pipeline.tasks.encoding import pad

        batch = pad(features, tokenizer, self.pad_to_multiple_of)
        if "label" in features[0]:
            dtype = torch.float32 if self.multi_label else torch.long
            batch["labels"] = torch.tensor([row["label"] for row in features], dtype=dtype)
        return batch

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Cross-entropy, or binary cross-entropy averaged over labels; predictions are logits in float32.

        Divided by its weight it is what the model itself gives for ``labels`` when there are neither class
        weights nor smoothing. With them it is torch's weighted mean.
        """
        logits, targets = self.predict(model, batch), batch["labels"]
        each, weights = self._losses(model, logits, targets, "sum")
        return Output(each.sum(), weights.sum(), logits, targets)

    def example_losses(
        self, model: "nn.Module", outputs: "Tensor", targets: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        return self._losses(model, outputs, targets, "none")

    def _losses(
        self, model: "nn.Module", logits: "Tensor", targets: "Tensor", reduction: str
    ) -> "tuple[Tensor, Tensor]":
        from pipeline.tasks.classification.losses import losses

        weights = getattr(model.config, "class_weights", None)
        return losses(logits, targets, weights, self.label_smoothing, reduction)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """Logits in float32: (examples, classes)."""
        from pipeline.tasks.classification import zero_shot
        from pipeline.tasks.read_tokens import outputs_of

        inputs = self.forward_inputs(batch)
        if zero_shot.is_ready(model):
            return zero_shot.logits(model, inputs)
        return outputs_of(model, inputs).logits.float()

    def metrics(self, head: Head) -> "MetricCollection":
        from pipeline.tasks.classification import metrics as classification_metrics

        classes = len(head["labels"])
        if self.multi_label:
            return classification_metrics.several_label_metrics(classes)
        return classification_metrics.one_label_metrics(classes)

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        from pipeline.tasks.classification.metrics import scores_of

        return scores_of(computed, _names(head), self.multi_label)

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.classification.metrics import names_of_scores

        return {"loss": False, **dict.fromkeys(names_of_scores(_names(head), self.multi_label), True)}

    def voting(self, head: Head) -> "Voting | None":
        from pipeline.tasks.voting import Classes

        return None if "zero_shot" in head else Classes(self.multi_label)

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``label`` as it stands in the data, its probability ``score``, ``scores`` of all labels by name."""
        from pipeline.tasks.classification.answers import decoded

        return decoded(answers, head["labels"], self.multi_label)


def _names(head: Head) -> list[str]:
    return [str(label) for label in head["labels"]]
