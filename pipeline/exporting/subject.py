"""What is exported: a model in memory, and examples that every exported form is compared on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.prepare import load_splits
from pipeline.launch.inference import Trained
from pipeline.models.heads import AUTO_CLASSES, HeadName

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig

    from pipeline.runs.directory import RunDirectory

_COMPARED, _TRACED, _LOOKED_AT = 8, 2, 64


@dataclass(frozen=True)
class Subject:
    """One model, of one run or of several.

    trained: the run, or the first of them, whose tokenizer and head are those of all. model: in float32 on the CPU.
    inputs: real examples as the forward pass takes them; sample: others, of another number and length.
    texts: of these examples, for the tokenizer.
    """

    trained: Trained
    model: nn.Module
    runs: Sequence[RunDirectory]
    inputs: dict[str, Tensor]
    sample: dict[str, Tensor]
    texts: list[str]

    @property
    def config(self) -> PretrainedConfig:
        return self.model.config  # type: ignore[return-value]

    @property
    def auto_class(self) -> str:
        """The class of transformers that loads it."""
        return AUTO_CLASSES[head_of(self.trained)]


def head_of(trained: Trained) -> HeadName:
    """The kind of head that a run's model has."""
    config = trained.checkpoint.config(str(trained.run.weights))
    auto = trained.checkpoint.auto_class(config, trained.spec.task.heads_for(trained.head))
    return next(head for head, name in AUTO_CLASSES.items() if name == auto)


def subject_of(trained: Trained, model: nn.Module, runs: Sequence[RunDirectory]) -> Subject:
    """``model`` with rows of the run's data. Raises BadInput where these are nowhere any more."""
    features, texts = _test_rows(trained) or _prepared_rows(trained)
    # Short ones: what a language model computes of a token is as long as its vocabulary.
    features.sort(key=itemgetter("length"))

    def batch(some: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        task = trained.spec.task
        return task.forward_inputs(task.collate(some, trained.tokenizer))

    shortest, longest = features[:_COMPARED], features[-_TRACED:]
    return Subject(trained, model.cpu().eval(), runs, batch(shortest), batch(longest), texts[:_COMPARED])


def _test_rows(trained: Trained) -> tuple[list[dict[str, Any]], list[str]] | None:
    """Features and texts of the first test rows as they lie in the run's directory, wherever that was moved to."""
    file = trained.run.predictions / "test.jsonl"
    if not file.is_file():
        return None
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, _LOOKED_AT)]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prediction"}
    encoded = trained.spec.task.encode(columns, trained.tokenizer, trained.head)
    names = [name for name, values in encoded.items() if len(values) == len(encoded["length"])]
    features = [{name: encoded[name][place] for name in names} for place in range(len(encoded["length"]))]
    return features, _texts(columns)


def _prepared_rows(trained: Trained) -> tuple[list[dict[str, Any]], list[str]]:
    """The same of rows in the cache, or of the data itself."""
    folder = trained.prepared["folder"]
    if not Path(folder).is_dir():
        folder, _ = trained.prepared_for(trained.spec.data)
    encoded, raw = load_splits(folder, "encoded"), load_splits(folder, "raw")
    split = next((name for name in ("test", "validation") if name in encoded), next(iter(encoded)))
    columns: Any = raw[split][:_COMPARED]
    return encoded[split].select(range(min(_LOOKED_AT, len(encoded[split])))).to_list(), _texts(
        {name: values for name, values in columns.items() if name in trained.spec.task.columns}
    )


def _texts(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    return [str(value) for values in columns.values() for value in values if isinstance(value, str | list)]
