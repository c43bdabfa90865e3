"""Parts that tests of tasks give where a task looks at none of them, and raw predictions as answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.training.answers import Answer

NO_MODEL: Any = None
NO_TOKENIZER: Any = None


def answers(predictions: Iterable[Any], rows: Iterable[Mapping[str, Any]] | None = None) -> list[Answer]:
    """One feature a row, of which nothing is known but what was predicted."""
    predictions = list(predictions)
    rows = [{} for _ in predictions] if rows is None else rows
    return [Answer(row, [{}], [said]) for row, said in zip(rows, predictions, strict=True)]
