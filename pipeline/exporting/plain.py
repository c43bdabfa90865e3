"""The folder that transformers loads, with whatever was trained folded into the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import Problem
from pipeline.exporting import adapter
from pipeline.exporting.written import Written, copy_beside
from pipeline.models.loading import quiet
from pipeline.runs.verification import outputs

if TYPE_CHECKING:
    from pipeline.exporting.subject import Subject
    from pipeline.launch.inference import Trained


def problems(trained: Trained) -> Iterator[Problem]:
    """What a strategy has that cannot be folded in."""
    if not trained.spec.strategy.mergeable:
        what = f"what strategy={trained.spec.choices['strategy']} trains cannot be folded into the model's weights"
        by_peft = not any(adapter.problems(trained))
        yield Problem("format", what, "format=adapter" if by_peft else adapter.as_it_is(trained))


def write(subject: Subject, folder: Path) -> Written:
    """The files of the run as they are; of several runs the mean of their weights, with the first one's files."""
    one = len(subject.runs) == 1
    if not one:
        model: Any = subject.model
        with quiet():
            model.save_pretrained(folder)
    copy_beside(subject.trained.run.weights, folder, weights=one)
    return Written("transformers", subject.inputs, outputs(subject.model, subject.inputs))
