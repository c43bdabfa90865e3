"""What a classifier says of texts, in the words of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.tasks.classification.labels import Label
    from pipeline.training.answers import Answer


def decoded(answers: Sequence[Answer], labels: Sequence[Label], multi_label: bool) -> list[dict[str, Any]]:
    """``label`` as it stands in the data and its probability ``score``, or the ``labels`` with more than one half;
    ``scores`` of all labels by name."""
    import torch

    predictions = torch.stack([answer.predictions[0] for answer in answers])
    names = [str(label) for label in labels]
    if multi_label:
        return [
            {
                "labels": [label for label, score in zip(labels, row, strict=True) if score > 0.5],
                "scores": dict(zip(names, row, strict=True)),
            }
            for row in predictions.float().sigmoid().tolist()
        ]
    probabilities = predictions.float().softmax(-1)
    best = probabilities.argmax(-1).tolist()
    return [
        {"label": labels[number], "score": row[number], "scores": dict(zip(names, row, strict=True))}
        for number, row in zip(best, probabilities.tolist(), strict=True)
    ]
