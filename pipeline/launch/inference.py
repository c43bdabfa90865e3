"""A finished run at work: scores of any data, predictions for any rows, from what the run left in `model/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.data.prepare import load_splits, missing_columns, prepare_for
from pipeline.errors import BadInput, Problem
from pipeline.launch.machine import Machine, look
from pipeline.runs.directory import FINISHED, RunDirectory
from pipeline.runs.splits import prefix_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from pipeline.compose.run_spec import RunSpec
    from pipeline.models.checkpoint import Checkpoint
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Scores

# Rows that are read, sorted by length and predicted together: bounds memory, whatever the size of the input.
_CHUNK = 2_048


class Trained:
    """The model of a finished run on this machine. Nothing heavy is loaded before it is needed."""

    def __init__(self, run: RunDirectory, spec: RunSpec) -> None:
        manifest = run.manifest()
        if manifest["state"] != FINISHED:
            raise BadInput(
                Problem(
                    "run",
                    f"{run.folder} is {manifest['state']}: it has no finished model",
                    f"a finished run; python -m pipeline.train resume={run.folder} brings this one to its end",
                )
            )
        self.run, self.spec = run, spec
        self.head = manifest["prepared"]["head"]
        self.machine: Machine = look(spec.hardware)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The run's own model as a checkpoint."""
        return type(self.spec.model)(checkpoint=str(self.run.model))

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.checkpoint.tokenizer(str(self.run.model))

    @cached_property
    def device(self) -> torch.device:
        import torch

        return torch.device("cuda" if self.machine.accelerator == "gpu" else self.machine.accelerator)

    @cached_property
    def model(self) -> Any:
        import torch

        torch.set_num_threads(self.machine.threads)
        model, _ = self.spec.task.load(self.checkpoint, str(self.run.model), self.head)
        return model.eval().to(self.device)

    def evaluate(self, source: Source) -> tuple[dict[str, float], dict[str, Any]]:
        """Metrics by full name (``test/f1``), and tables, of every split of `source` but the training data.

        Raises BadInput for data that does not fit the task.
        """
        folder, facts = prepare_for(
            task=self.spec.task, checkpoint=self.checkpoint, source=source, head=self.head
        )
        splits = load_splits(folder, "encoded")
        metrics: dict[str, float] = {}
        tables: dict[str, Any] = {}
        for split in facts["rows"]:
            scores, prefix = self._score(splits[split]), prefix_of(split)
            metrics |= {f"{prefix}/{name}": value for name, value in scores.values.items()}
            tables |= {f"{prefix}/{name}": rows for name, rows in scores.tables.items()}
        return metrics, tables

    def _score(self, rows: Any) -> Scores:
        import torch

        from pipeline.data.batches import EvaluationBatches
        from pipeline.data.module import Collate, Numbered, lengths_of
        from pipeline.training.scoring import Scorer

        size = self.spec.trainer.evaluation_batch_size
        collate, numbered = Collate(self.spec.task, self.tokenizer), Numbered(rows)
        scorer = Scorer(self.spec.task, self.head, self.device)
        with torch.inference_mode():
            for indices in EvaluationBatches(lengths_of(rows), batch_size=size, world_size=1, rank=0):
                batch = collate(numbered.__getitems__(indices))
                inputs = {name: value.to(self.device) for name, value in batch["inputs"].items()}
                scorer.update(self.spec.task.loss(self.model, inputs), batch["index"])
        return scorer.compute()

    def predict(
        self, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        """Each row with what the model says of it, in order, as the rows come in.

        rows: column -> value. columns: role -> column, as `data.columns`.
        Raises BadInput where a row lacks what the task reads.
        """
        rows, done = iter(rows), 0
        while chunk := list(islice(rows, _CHUNK)):
            yield from zip(chunk, self._predict_chunk(chunk, columns, done), strict=True)
            done += len(chunk)

    def _predict_chunk(
        self, chunk: list[Mapping[str, Any]], columns: Mapping[str, str], done: int
    ) -> list[dict[str, Any]]:
        import torch

        task = self.spec.task
        have = list(dict.fromkeys(name for row in chunk for name in row))
        if problems := missing_columns(have, task, columns, optional=task.targets, where="input"):
            raise BadInput(problems)
        used = {role: columns.get(role, role) for role in task.columns if role not in task.targets}
        present = {role: name for role, name in used.items() if name in have}
        batch = {role: [row.get(name) for row in chunk] for role, name in present.items()}
        problems = [
            Problem(f"input row {done + i + 1}", f"has no {present[role]}", "a text")
            for role in batch
            for i, value in enumerate(batch[role])
            if value is None and task.columns[role].required
        ]
        if problems:
            raise BadInput(problems)
        features = task.encode(batch, self.tokenizer, self.head)
        encoded = [{name: values[i] for name, values in features.items()} for i in range(len(chunk))]
        order = sorted(range(len(encoded)), key=lambda i: -encoded[i]["length"])
        size = self.spec.trainer.evaluation_batch_size
        decoded: list[dict[str, Any]] = [{} for _ in chunk]
        with torch.inference_mode():
            for start in range(0, len(order), size):
                indices = order[start : start + size]
                inputs = task.collate([encoded[i] for i in indices], self.tokenizer)
                raw = task.predict(self.model, {name: value.to(self.device) for name, value in inputs.items()})
                for i, said in zip(indices, task.decode(raw.float().cpu(), self.head), strict=True):
                    decoded[i] = said
        return decoded
