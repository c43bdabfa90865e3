"""Everything that makes training batches of a stream but the run's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.data.streaming.batches import Collate, StreamedBatches

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pipeline.data.augmentation import WordChanges
    from pipeline.data.streaming.facts import StreamFacts
    from pipeline.sources.reading.stream import FileStream
    from pipeline.tasks.base import Head, Task


@dataclass(frozen=True)
class TrainingStream:
    """steps: of the run, where it is not known how many an epoch has."""

    source: FileStream
    facts: StreamFacts
    task: Task
    tokenizer: PreTrainedTokenizerBase
    head: Head
    steps: int | None

    def encode(self, rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """role -> values to features, as stored rows are encoded."""
        return self.task.encode_training(rows, self.tokenizer, self.head)

    def batches(
        self, collate: Collate, changes: WordChanges | None, options: Mapping[str, Any]
    ) -> StreamedBatches:
        """options: as :class:`pipeline.data.batches.TrainingBatches` takes them."""
        return StreamedBatches(
            self.source,
            self.facts,
            self.encode,
            collate,
            steps=self.steps,
            changes=changes,
            **options,
        )
