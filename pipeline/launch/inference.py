"""A finished run at work: scores of any data, predictions for any rows, from its `model/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.prepare import HoldOut, load_splits, prepare_for
from pipeline.data.skipping import warn_of_skipped
from pipeline.launch.asked import asked_columns
from pipeline.launch.auditing import Report, audit_folder
from pipeline.launch.machine import Machine, look
from pipeline.launch.unanswered import Unanswered, readable, what_is_wrong
from pipeline.runs.directory import RunDirectory
from pipeline.runs.garbage import settle
from pipeline.runs.identity import canonical
from pipeline.runs.splits import prefix_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.hardware import Hardware
    from pipeline.models.checkpoint import Checkpoint
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Scores
    from pipeline.training.scoring import Scorer


class Trained:
    """The model of a finished run on this machine. Nothing heavy is loaded before it is needed.

    spec: how the run was trained. hardware: where it works now.
    """

    def __init__(self, run: RunDirectory, spec: RunSpec, hardware: Hardware) -> None:
        self.run, self.spec = run, spec
        self.prepared = run.manifest()["prepared"]
        self.head = self.prepared["head"]
        self.truncated = 0  # rows so far whose text was cut to what the model can take
        self.unanswered = Unanswered()  # rows of the input so far that could not be read
        self.machine: Machine = look(hardware)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The run's own model as a checkpoint; how it attends and what it drops is in its configuration."""
        return self.spec.model.trained(str(self.run.weights))

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.checkpoint.tokenizer(str(self.run.weights))

    @property
    def labels(self) -> list[str]:
        """What its outputs stand for, in their order: labels, or targets; empty where they are something else."""
        return list(map(str, self.head.get("labels") or self.head.get("target_names") or ()))

    @cached_property
    def device(self) -> torch.device:
        import torch

        return torch.device("cuda" if self.machine.accelerator == "gpu" else self.machine.accelerator)

    @cached_property
    def model(self) -> Any:
        import torch

        torch.set_num_threads(self.machine.threads)
        settle()
        model, _ = self.spec.task.load(self.checkpoint, str(self.run.weights), self.head)
        if not self.spec.strategy.mergeable:
            model = self.spec.strategy.load(model, str(self.run.model / "adapter"))
        return model.eval().to(self.device)

    def evaluate(self, source: Source) -> tuple[dict[str, float], dict[str, Any]]:
        """Metrics by full name (``test/f1``), and tables, of every split of `source` but the training data.

        Raises BadInput for data that does not fit the task.
        """
        folder, facts = self.prepared_for(source)
        warn_of_skipped(facts["skipped"], folder)
        splits, raw = load_splits(folder, "encoded"), load_splits(folder, "raw")
        metrics: dict[str, float] = {}
        tables: dict[str, Any] = {}
        for split in facts["rows"]:
            scores, prefix = self._score(raw[split], splits[split]), prefix_of(split)
            metrics |= {f"{prefix}/{name}": value for name, value in scores.values.items()}
            tables |= {f"{prefix}/{name}": rows for name, rows in scores.tables.items()}
        return metrics, tables

    def audit(self, source: Source) -> Report | None:
        """What there is to know of the data that is scored, also beside the rows that the model was trained on, as
        long as the cache has them; None with data.audit=off. It stops nothing: who scores has chosen the rows."""
        if source.audit == "off":
            return None
        trained_on = self.prepared["folder"]
        return audit_folder(
            self.prepared_for(source)[0],
            task=self.spec.task,
            head=self.head,
            checkpoint=self.checkpoint,
            model_folder=str(self.run.weights),
            source=source,
            trained_on=trained_on if Path(trained_on).is_dir() else None,
        )

    def prepared_for(self, source: Source) -> tuple[str, dict[str, Any]]:
        """The folder with the rows of `source` to score, encoded, and its facts."""
        return prepare_for(
            task=self.spec.task,
            checkpoint=self.checkpoint,
            source=source,
            head=self.head,
            hold_out=self._hold_out(source),
        )

    def _hold_out(self, source: Source) -> HoldOut:
        """Rows may only be held out of data if that cannot give rows that the model was trained on."""
        same_rows = source.fingerprint() == self.prepared["data_fingerprint"]
        if same_rows and canonical(source.division()) == canonical(self.spec.data.division()):
            return "as_trained"
        changed_since = source.division() == self.spec.data.division()
        return "never" if same_rows or changed_since else "if_none"

    def _score(self, raw: Any, encoded: Any) -> Scores:
        scorer = self.scorer(raw, encoded)
        for inputs, index in self.batches(encoded):
            with self.machine.inference():
                scorer.update(self.spec.task.score(self.model, inputs), index)
        return scorer.compute()

    def scorer(self, raw: Any, encoded: Any) -> Scorer:
        """What collects the scores of a split. raw: its rows. encoded: their features."""
        from pipeline.training.answers import Answers
        from pipeline.training.scoring import Scorer

        answers = Answers(raw, encoded)
        return Scorer(self.spec.task, self.head, self.device, answers=answers, tokenizer=self.tokenizer)

    def batches(self, encoded: Any) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        """Batches of a split in evaluation order, on the device, and the numbers of their features."""
        from pipeline.data.batches import EvaluationBatches
        from pipeline.data.module import Collate, Numbered, lengths_of, rows_of

        size = self.spec.trainer.evaluation_batch_size
        collate, numbered = Collate(self.spec.task, self.tokenizer), Numbered(encoded)
        batches = EvaluationBatches(
            lengths_of(encoded), batch_size=size, world_size=1, rank=0, rows=rows_of(encoded)
        )
        for indices in batches:
            batch = collate(numbered.__getitems__(indices))
            yield {name: value.to(self.device) for name, value in batch["inputs"].items()}, batch["index"]

    def predict(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Mapping[str, str] | None = None,
        like: Source | None = None,
    ) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        """Each row with what the model says of it, in order, as the rows come in.

        rows: column -> value. columns: role -> column, which must be there; other roles are read as in training, or
        named as they are.
        like: the source whose rows they are like, so that its template holds for them; None: as in training.
        Of a row that cannot be read (a text that is not there, fewer than two choices) only an ``error`` is said.
        Raises BadInput for columns that are not there, and where no row at all can be read.
        """
        rows, done = iter(rows), 0
        while chunk := list(islice(rows, self.spec.task.prediction_chunk)):
            batch, faults = asked_columns(self.spec.task, like or self.spec.data, chunk, columns)
            places, encoded = readable(batch, faults, len(chunk), self._encoded)
            self.unanswered.add(faults, done)
            done += len(chunk)
            if self.unanswered.count == done:
                raise self.unanswered.refusal()
            asked = [{name: cells[place] for name, cells in batch.items()} for place in places]
            said = {place: {"error": what_is_wrong(problem)} for place, problem in faults.items()}
            if places:
                said |= dict(zip(places, self._answers(asked, encoded), strict=True))
            yield from zip(chunk, (said[place] for place in range(len(chunk))), strict=True)

    def _encoded(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        return self.spec.task.encode_inputs(batch, self.tokenizer, self.head)

    def _answers(
        self, rows: Sequence[Mapping[str, Any]], columns: dict[str, list[Any]]
    ) -> list[dict[str, Any]]:
        """What the model says of each row, in their order. columns: what the task made of them."""
        from pipeline.training.answers import Answer

        task, size = self.spec.task, self.spec.trainer.evaluation_batch_size
        row_of = columns.pop("row", range(len(rows)))
        features = [
            {name: values[i] for name, values in columns.items()} for i in range(len(columns["length"]))
        ]
        self.truncated += len({row for row, cut in zip(row_of, columns["truncated"], strict=True) if cut})
        # Rows of similar length together; the content decides among equals, so that the same rows make the
        # same batches, and the same numbers to the last bit, in whatever order they come.
        order = sorted(range(len(features)), key=lambda i: (-features[i]["length"], features[i]["input_ids"]))
        predictions: list[Any] = [None] * len(features)
        for start in range(0, len(order), size):
            indices = order[start : start + size]
            inputs = task.collate([features[i] for i in indices], self.tokenizer)
            with self.machine.inference():
                raw: Any = task.predict(
                    self.model, {name: value.to(self.device) for name, value in inputs.items()}
                )
            if hasattr(raw, "cpu"):
                raw = raw.float().cpu() if raw.is_floating_point() else raw.cpu()
            for i, prediction in zip(indices, raw, strict=True):
                predictions[i] = prediction
        parts: list[list[int]] = [[] for _ in rows]
        for number, row in enumerate(row_of):
            parts[row].append(number)
        answers = [
            Answer(row, [features[i] for i in mine], [predictions[i] for i in mine])
            for row, mine in zip(rows, parts, strict=True)
        ]
        return task.decode(answers, self.tokenizer, self.head)
