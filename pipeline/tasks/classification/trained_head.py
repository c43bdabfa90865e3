"""The classification head that a checkpoint brings along: which labels it was trained for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def labels_of(config: PretrainedConfig) -> list[str]:
    """The labels that a checkpoint's head was trained for; none for transformers' placeholders LABEL_0, …."""
    names = [str(name) for _, name in sorted((config.id2label or {}).items())]
    return [] if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names


def has_head_for(config: PretrainedConfig, names: Sequence[str], given: Sequence[Any] | None) -> bool:
    """Whether a model that is not trained any more has its own head for these labels.

    given: the labels that the user put in order, if so. Raises BadInput where nothing says what its classes are.
    """
    if not any(name.endswith("ForSequenceClassification") for name in config.architectures or []):
        return False
    trained_for = labels_of(config)
    if trained_for or config.num_labels != len(names):
        return sorted(trained_for) == sorted(names)
    if given is None:
        what = f"the checkpoint has a head for {len(names)} classes, and does not say which"
        allowed = f"its order, such as task.labels=[{','.join(names)}]; or task.zero_shot=embedding"
        raise BadInput(Problem("task.labels", what, allowed))
    return True
