"""Text embeddings: a vector for each text, such that texts that belong together are near each other.

    a row of data   {"text": "Where is my card?", "positive": "How do I track my card?"}
    a prediction    {"embedding": [0.0312, -0.0541, …]}

What belongs together is said in one of these forms, which is recognised by the columns:

    pairs      {"text": "…", "positive": "…"}, optionally with a "negative": one text or a list of hard negatives
    scored     {"text": "…", "text_pair": "…", "score": 3.8}        prediction: {"similarity": 0.79}
    labelled   {"text": "…", "label": "card_arrival"}: texts with the same label belong together
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing
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
DIGITS = 6

# Of a batch, what is no input of the model.
_BESIDE = ("ids", "counts", "score", "label")


@component
class SentenceEmbedding(Task):
    """Embeddings by a backbone without a head, pooled and scaled to length one.

    All objectives but ``cosine`` and ``triplet`` compare the rows of a batch with each other. They are exempt from the
    rule that cutting a batch differently changes nothing: the negatives of a text are those of the micro-batch that it
    is in, in one process, so hardware.micro_batch and the number of processes change what is learned.

    Head facts: ``form`` of the data, ``objective``, ``pooling``, ``score_range`` (of scored pairs) and ``hard``,
    whether there are hard negatives.
    """

    # What is minimised. null: contrastive, or cosine (squared errors of cosines) for scored pairs.
    objective: Literal["contrastive", "triplet", "cosine", "cosent"] | None = None
    # What cosines are divided by in contrastive and cosent: the smaller, the more the nearest negatives count.
    temperature: Annotated[float, Field(gt=0)] = 0.05
    # By how much a positive should be nearer than a negative, for objective=triplet.
    margin: Annotated[float, Field(gt=0, le=2)] = 0.2
    # What stands for a text: the mean of its tokens, the first (cls) or the last. null: what suits the model.
    pooling: Literal["mean", "cls", "last"] | None = None
    # The lowest and the highest score of scored pairs, e.g. [0, 5]. null: those of the training data.
    score_range: tuple[float, float] | None = None
    # Put before a text that is asked with, and before one that is found, as E5 has them: 'query: ', 'passage: '.
    query_prefix: str = ""
    passage_prefix: str = ""

    columns: ClassVar[dict[str, Column]] = {
        "text": Column("the text to embed"),
        "positive": Column("a text that belongs to it", required=False),
        "negative": Column("a text that does not belong to it, or a list of them", required=False),
        "text_pair": Column("a text that it is compared with", required=False),
        "score": Column("how alike text and text_pair are, a number", required=False, numbers="any"),
        "label": Column("what it shares with the texts that belong to it", required=False, numbers="whole"),
    }
    augmentations: ClassVar[tuple[str, ...]] = ("deletion", "swap", "mask")
    targets: ClassVar[tuple[str, ...]] = ("positive", "negative", "score", "label")
    identified_by: ClassVar[tuple[str, ...]] = ("text", "positive", "negative", "text_pair")
    # Of models with encoder and decoder the encoder alone.
    heads: ClassVar[tuple[str, ...]] = ("backbone", "text_encoding")

    def monitor_for(self, head: Head) -> str:
        return "spearman" if head["form"] == "scored" else "mrr_at_10"

    def conflicts(self, spec: Any) -> list[Problem]:
        """A text alone in its batch has nothing to be compared with."""
        size = spec.trainer.batch_size
        micro = spec.hardware.micro_batch
        least = min(size, micro) if isinstance(micro, int) else size
        if least > 1 or self.objective in ("triplet", "cosine"):
            return []
        key = "trainer.batch_size" if size == 1 else "hardware.micro_batch"
        what = "is 1, and a text is compared with the others of its batch"
        return [Problem(key, what, "2 or more, rather 32 to 256; or task.objective=cosine or triplet")]

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Raises BadInput for columns of no form and for faulty rows, all of them."""
        from pipeline.tasks.embedding.head import learn_head

        return learn_head(self, data, config)

    def describe(self, head: Head) -> dict[str, str]:
        """What the data says, what is minimised and what stands for a text."""
        form = {
            "pairs": "pairs of text and positive" + (" with hard negatives" if head["hard"] else ""),
            "scored": "scored pairs of texts",
            "labelled": "texts with labels",
        }[head["form"]]
        if head["score_range"]:
            form += " ({:g} to {:g})".format(*head["score_range"])
        compared = "" if head["objective"] in ("cosine", "triplet") else ", negatives from each micro-batch"
        return {"embeddings": f"{form}; {head['objective']} loss{compared}; {head['pooling']} pooling"}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        # A cache of keys and values serves generation; here it would only take memory.
        config = checkpoint.config(folder, use_cache=False)
        config.update({"embedding_pooling": head["pooling"]})
        return checkpoint.build(folder, self.heads, config, meta=meta)

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """Each row's texts as one feature: every input of the model a list with one entry for each of them.

        ``text_ids`` are equal for equal texts. Raises BadInput for rows that the trained form cannot use.
        """
        from pipeline.tasks.classification.labels import one_label
        from pipeline.tasks.embedding.rows import ALLOWED, FORMS, faults, number_of

        form = head["form"]
        if missing := [name for name in FORMS[form] if name not in rows]:
            what = f"there is no column {listing(missing)}, and the model was trained on {form} rows"
            raise BadInput(Problem("data.columns", what, f"columns {listing(FORMS[form])}"))
        wrong = faults(rows, form, least_negatives=int(head["objective"] == "triplet"))
        if wrong:
            raise BadInput(
                [
                    Problem(f"data.columns.{column}", what, ALLOWED)
                    for column, whats in wrong.items()
                    for what in whats
                ]
            )
        features = self._encode(rows, form, tokenizer, head)
        if form == "scored":
            low, high = head["score_range"]
            features["score"] = [(score - low) / (high - low) for score in rows["score"]]
        if form == "labelled":
            features["label"] = [number_of(str(one_label(label))) for label in rows["label"]]
        return features

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        return self._encode(rows, None, tokenizer, head)

    def _encode(
        self, rows: Mapping[str, list[Any]], form: Any, tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        from pipeline.tasks.embedding.rows import number_of, texts_of
        from pipeline.tasks.encoding import encode_texts

        count = len(rows["text"])
        each = [texts_of({name: values[i] for name, values in rows.items()}, form) for i in range(count)]
        # Only texts that are found are of another kind; scored pairs and labelled texts are all alike.
        other = self.passage_prefix if head["form"] == "pairs" else self.query_prefix
        prefixed = [
            (other if place else self.query_prefix) + text
            for texts in each
            for place, text in enumerate(texts)
        ]
        flat = encode_texts(prefixed, None, tokenizer, self.max_length, DEFAULT_LENGTH)
        ends = list(accumulate(len(texts) for texts in each))
        spans = [slice(end - len(texts), end) for end, texts in zip(ends, each, strict=True)]
        features: dict[str, list[Any]] = {
            name: [values[span] for span in spans]
            for name, values in flat.items()
            if name not in ("length", "truncated")
        }
        features["length"] = [sum(flat["length"][span]) for span in spans]
        features["truncated"] = [any(flat["truncated"][span]) for span in spans]
        features["text_ids"] = [[number_of(text) for text in texts] for texts in each]
        return features

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """All texts of all rows, one after the other, padded: (texts, tokens). ``ids``: (texts,); ``counts``:
        (rows,) texts of each row; ``score`` or ``label``: (rows,)."""
        import torch

        from pipeline.tasks.encoding import pad

        names = [name for name in tokenizer.model_input_names if name in features[0]]
        texts = [
            {name: row[name][i] for name in names} for row in features for i in range(len(row["input_ids"]))
        ]
        batch = pad(texts, tokenizer, multiple=None)
        batch["ids"] = torch.tensor([number for row in features for number in row["text_ids"]])
        batch["counts"] = torch.tensor([len(row["text_ids"]) for row in features])
        if "score" in features[0]:
            batch["score"] = torch.tensor([row["score"] for row in features], dtype=torch.float32)
        if "label" in features[0]:
            batch["label"] = torch.tensor([row["label"] for row in features])
        return batch

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        return {name: value for name, value in batch.items() if name not in _BESIDE}

    def _embed(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "Tensor":
        from pipeline.tasks.embedding.pooling import embed

        return embed(model, self.forward_inputs(batch), model.config.embedding_pooling)  # type: ignore[union-attr,arg-type]

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Over rows. Contrastive and cosent compare the rows of this batch with each other."""
        from pipeline.tasks.embedding import contrastive

        embeddings = self._embed(model, batch)
        objective = self.objective or ("cosine" if "score" in batch else "contrastive")
        if "score" in batch:
            loss = contrastive.of_scored(embeddings, batch["score"], objective, self.temperature)
        elif "label" in batch:
            loss = contrastive.of_labelled(embeddings, batch["label"], self.temperature)
        elif objective == "triplet":
            loss = contrastive.of_triplets(embeddings, batch["counts"], self.margin)
        else:
            loss = contrastive.of_pairs(embeddings, batch["counts"], batch["ids"], self.temperature)
        return Output(*loss)

    def score(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Embeddings alone: the loss is that of the whole split, which the metrics compute."""
        embeddings = self.predict(model, batch)
        targets = {name: batch[name] for name in ("ids", "score", "label") if name in batch}
        zero = embeddings[0].new_zeros(())
        return Output(zero, zero + len(embeddings), embeddings, targets)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> "list[Tensor]":
        """The embeddings of each row's texts: (texts, hidden size) each."""
        return list(self._embed(model, batch).split(batch["counts"].tolist()))

    def metrics(self, head: Head) -> "Metric":
        from pipeline.tasks.embedding import metrics as retrieval_metrics

        if head["form"] == "scored":
            return retrieval_metrics.PairCorrelation(head["objective"], self.temperature)
        if head["form"] == "labelled":
            return retrieval_metrics.LabelRetrieval(self.temperature)
        return retrieval_metrics.PairRetrieval(head["objective"], self.temperature, self.margin)

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        return Scores(dict(computed))

    def directions(self, head: Head) -> dict[str, bool]:
        if head["form"] == "scored":
            return {"loss": False, "spearman": True, "pearson": True}
        names = ["recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10"]
        return {"loss": False, **dict.fromkeys(names + ["triplet_accuracy"] * head["hard"], True)}

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``similarity`` (a cosine) of a text and the second of its row; else its ``embedding``, of length one."""
        said: list[dict[str, Any]] = []
        for answer in answers:
            texts = answer.predictions[0].float().cpu()
            if len(texts) > 1:
                said.append({"similarity": round(float((texts[0] * texts[1]).sum()), DIGITS)})
            else:
                embedding = [round(value, DIGITS) for value in texts[0].tolist()]
                said.append({"embedding": embedding})
        return said

    def save(self, folder: str, head: Head, tokenizer: "PreTrainedTokenizerBase") -> None:
        """The files by which sentence-transformers makes the same embeddings of ``model/``."""
        from pipeline.tasks.embedding.pooling import write_layout
        from pipeline.tasks.encoding import longest_input

        write_layout(
            folder,
            pooling=head["pooling"],
            max_length=longest_input(tokenizer, self.max_length, DEFAULT_LENGTH, pair=False),
            prompts={"query": self.query_prefix, "document": self.passage_prefix},
        )
