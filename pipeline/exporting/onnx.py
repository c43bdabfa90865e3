"""A graph in ONNX, which runs without torch: `model.onnx`, for any number of texts of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import Problem, RunFailed, listing
from pipeline.exporting import plain
from pipeline.exporting.subject import Subject, head_of
from pipeline.exporting.written import Written, copy_beside

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.launch.inference import Trained

# Heads that read a batch of texts once. What writes a text goes through its model many times.
EMBEDDING = ("backbone", "text_encoding")
_READING = ("sequence_classification", "token_classification", "question_answering", "masked_lm", "causal_lm")
HEADS = (*_READING, *EMBEDDING)
FILE = "model.onnx"
_PACKAGES = ("onnx", "onnxruntime")


def problems(trained: Trained) -> Iterator[Problem]:
    """A strategy or a task whose model is no graph, and packages that are not there."""
    yield from plain.problems(trained)
    if (head := head_of(trained)) not in HEADS:
        what = f"task={trained.spec.choices['task']} has a head, {head}, that is not exported to ONNX"
        yield Problem("format", what, f"format=huggingface, or tasks with the heads {listing(HEADS)}")
    elif head != "text_encoding" and trained.checkpoint.config(str(trained.run.weights)).is_encoder_decoder:
        what = f"model={trained.spec.choices['model']} is an encoder-decoder, which is not exported to ONNX with a head"
        yield Problem("format", what, "format=huggingface")
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        what = (
            f"onnx needs {' and '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed"
        )
        yield Problem("format", what, "pip install 'hydratune[onnx]'")


def write(subject: Subject, folder: Path) -> Written:
    """Traced on a few long examples, to be compared on others. A language model has no cache.

    Raises RunFailed where the model cannot be traced.
    """
    import torch

    from pipeline.exporting.graph import Graph, trace

    sample, inputs = _read(subject.sample), _read(subject.inputs)
    head, config = head_of(subject.trained), subject.model.config
    pooling = getattr(config, "embedding_pooling", None) if head in EMBEDDING else None
    options = {"use_cache": False} if head == "causal_lm" else {}
    graph = Graph(subject.model, list(sample), pooling, **options)
    with torch.inference_mode():
        expected = graph.named(inputs)
    try:
        trace(graph, sample, folder / FILE)
    except Exception as error:  # whatever torch finds in a model that it cannot trace
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunFailed(f"no ONNX graph can be made of {config.model_type}: {first}") from error  # type: ignore[union-attr]
    copy_beside(subject.trained.run.weights, folder)
    return Written("onnx", inputs, expected)


def _read(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a graph is given: token numbers, and which of them are there. Packed texts are read as one."""
    import torch

    batch = {name: value for name, value in batch.items() if name != "position_ids"}
    return {**batch, "attention_mask": batch.get("attention_mask", torch.ones_like(batch["input_ids"]))}
