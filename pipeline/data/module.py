"""The one LightningDataModule: prepared rows to padded batches, resumable inside an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from pipeline.data.augmentation import Augmented, WithEpoch, WordChanges
from pipeline.data.batches import EvaluationBatches
from pipeline.data.features import CollateWithFeatures, evaluation_batch
from pipeline.data.streaming.batches import StreamedBatches, StreamLoader
from pipeline.data.token_batches import training_batches
from pipeline.training.answers import Answers

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from pipeline.data.batches import EpochBatches
    from pipeline.data.features import Features
    from pipeline.data.mixing import Mixing
    from pipeline.data.streaming.training import TrainingStream
    from pipeline.tasks.base import Task
    from pipeline.training.trainer_spec import TrainerSpec


def lengths_of(rows: Dataset) -> np.ndarray:
    """Tokens of every encoded row."""
    return np.asarray(rows.with_format("numpy")["length"][:], dtype=np.int64)


def rows_of(rows: Dataset) -> np.ndarray | None:
    """The row of data that every encoded row is of."""
    if "row" not in rows.column_names:
        return None
    return np.asarray(rows.with_format("numpy")["row"][:], dtype=np.int64)


class Collate:
    """Encoded rows to ``{"inputs": tensors by name, "index": row numbers, "tokens": number of tokens}``."""

    def __init__(self, task: Task, tokenizer: PreTrainedTokenizerBase) -> None:
        self.task, self.tokenizer = task, tokenizer

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "inputs": self.task.collate(features, self.tokenizer),
            "index": torch.tensor([row["index"] for row in features]),
            "tokens": torch.tensor(sum(row["length"] for row in features)),
        }


class Numbered:
    """A map-style data set whose rows know their number."""

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.rows[index], "index": index}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        columns = self.rows[indices]
        return [
            {"index": index, **{name: values[i] for name, values in columns.items()}}
            for i, index in enumerate(indices)
        ]

    def __len__(self) -> int:
        return len(self.rows)


class TextData(LightningDataModule):
    """Batches of the prepared splits; ``raw`` are the rows of data that they were encoded from, ``pin_memory`` whether
    a GPU fetches them.

    features: of a split, what the frozen part of the model gives for its examples, where that is stored.
    Its state is the position in the training data: batches consumed, not prefetched, of the epoch under way.
    """

    def __init__(
        self,
        splits: Mapping[str, Dataset],
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        trainer: TrainerSpec,
        *,
        seed: int,
        micro_batch: int | None,
        workers: int,
        world_size: int,
        rank: int,
        micro_tokens: int | None = None,
        pin_memory: bool = False,
        raw: Mapping[str, Dataset] | None = None,
        changes: WordChanges | None = None,
        stream: TrainingStream | None = None,
        mixing: Mixing | None = None,
        features: Mapping[str, Features] | None = None,
    ) -> None:
        super().__init__()
        self.raw, self.changes, self.features = raw or {}, changes, features or {}
        self.splits, self.settings, self.seed, self.workers = splits, trainer, seed, workers
        self.world_size, self.rank, self.pin_memory = world_size, rank, pin_memory
        self.collate = Collate(task, tokenizer)
        self.validation_names = [name for name in splits if name.split("_")[0] == "validation"]
        self.training_batches: EpochBatches | StreamedBatches | None = None
        options: dict[str, Any] = {
            "micro_batch": micro_batch,
            "world_size": world_size,
            "rank": rank,
            "seed": seed,
        }
        if stream is not None:
            options |= {"batch_size": trainer.batch_size, "group_by_length": trainer.group_by_length}
            self.training_batches = stream.batches(self.collate, changes, options)
        elif "train" in splits:
            self.training_batches = training_batches(
                lengths_of(splits["train"]), trainer, micro_tokens=micro_tokens, mixing=mixing, **options
            )

    def _loader(self, rows: Any, batches: Any, split: str) -> DataLoader:
        # A generator of its own: starting an iterator must not draw from the generator that dropout uses.
        return DataLoader(
            rows,
            batch_sampler=batches,
            collate_fn=CollateWithFeatures(self.collate, self.features[split])
            if split in self.features
            else self.collate,
            num_workers=self.workers,
            generator=torch.Generator().manual_seed(self.seed),
            pin_memory=self.pin_memory,
            persistent_workers=False,
        )

    def evaluation_loader(self, split: str) -> DataLoader:
        """Batches of any split in evaluation order."""
        batches = EvaluationBatches(
            lengths_of(self.splits[split]),
            batch_size=self._evaluation_batch(split),
            world_size=self.world_size,
            rank=self.rank,
            rows=rows_of(self.splits[split]),
        )
        return self._loader(Numbered(self.splits[split]), batches, split)

    def _evaluation_batch(self, split: str) -> int:
        size, features = self.settings.evaluation_batch_size, self.features.get(split)
        return size if features is None else evaluation_batch(features.facts, size)

    def examples(self, split: str, count: int) -> list[dict[str, Any]]:
        """The first few encoded rows of a split, in training also of what is streamed."""
        if split == "train" and isinstance(self.training_batches, StreamedBatches):
            return self.training_batches.examples(count)
        rows = Numbered(self.splits[split])
        return rows.__getitems__(list(range(min(count, len(rows)))))

    def drawn(self, count: int) -> list[dict[str, Any]]:
        """Encoded training rows that the seed draws, the same in every process; of a stream its first."""
        if isinstance(self.training_batches, StreamedBatches):
            return self.examples("train", count)
        rows = Numbered(self.splits["train"])
        order = np.random.default_rng(self.seed).permutation(len(rows))
        return rows.__getitems__(order[:count].tolist())

    def first_rows(self, split: str, count: int) -> dict[str, list[Any]]:
        """The same of the rows of data: column -> values."""
        if split == "train" and isinstance(self.training_batches, StreamedBatches):
            return self.training_batches.first(count)
        return self.raw[split][:count]

    def answers(self, split: str) -> Answers | None:
        """What puts predictions together to the rows of a split; None where these are not known."""
        return Answers(self.raw[split], self.splits[split]) if split in self.raw else None

    def train_dataloader(self) -> DataLoader:
        assert self.training_batches is not None
        if isinstance(self.training_batches, StreamedBatches):
            return StreamLoader(
                self.training_batches, workers=self.workers, seed=self.seed, pin_memory=self.pin_memory
            )
        rows = Numbered(self.splits["train"])
        if self.changes is None:
            return self._loader(rows, self.training_batches, "train")
        return self._loader(Augmented(rows, self.changes), WithEpoch(self.training_batches), "train")

    def val_dataloader(self) -> list[DataLoader]:
        return [self.evaluation_loader(name) for name in self.validation_names]

    def test_dataloader(self) -> DataLoader:
        return self.evaluation_loader("test")

    def state_dict(self) -> dict[str, int]:
        assert self.trainer is not None
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current
        return {"epoch": self.trainer.current_epoch, "batch": progress.completed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        assert self.training_batches is not None
        self.training_batches.start_at(state_dict["epoch"], state_dict["batch"])
