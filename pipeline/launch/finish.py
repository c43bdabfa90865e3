"""The end of a run: the best checkpoint is tested, saved for others, reloaded and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from pipeline.data.prepare import load_splits
from pipeline.models.loading import quiet
from pipeline.reporting.model_card import model_card
from pipeline.runs.directory import FINISHED, write_whole
from pipeline.runs.verification import logits, verify

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from pipeline.launch.work import Work

_COMPARED_ROWS = 8


def finish(job: Work, trainer: Trainer) -> dict[str, Any]:
    """Test, save, verify and describe the run; the content of metrics.json (empty in other processes)."""
    metrics: dict[str, Any] = {
        "best_step": _load_best(job, trainer),
        "total_steps": job.schedule.total_steps,
        "monitor": job.schedule.monitor,
        "mode": job.schedule.mode,
    }
    tables: dict[str, Any] = {}

    def keep(prefix: str, scores: Any, step: int) -> None:
        metrics.update({f"{prefix}/{name}": value for name, value in scores.values.items()})
        tables.update({f"{prefix}/{name}": rows for name, rows in scores.tables.items()})

    job.module.on_scores = keep
    if job.data.validation_names:
        # For metrics.json: the logs have had these numbers when the checkpoint was made.
        loggers, trainer.loggers = trainer.loggers, []
        trainer.validate(job.module, datamodule=job.data, verbose=False)
        trainer.loggers = loggers
    if "test" in job.data.splits:
        trainer.test(job.module, datamodule=job.data, verbose=False)
        _write_predictions(job, trainer)
    if not trainer.is_global_zero:
        return {}
    difference = _save_and_verify(job)
    metrics["optimized_metric"] = metrics.get(job.schedule.monitor or "")
    metrics["reload_difference"] = difference
    content = {**metrics, "tables": tables}
    write_whole(job.run.folder / "metrics.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_whole(job.run.folder / "README.md", model_card(job.run, metrics, tables))
    for logger in trainer.loggers:
        if hasattr(logger, "log_files"):
            logger.log_files(job.run.folder)
        logger.finalize("success")
    job.run.update(state=FINISHED)
    return content


def _load_best(job: Work, trainer: Trainer) -> int:
    """Put the best checkpoint's weights in the module; its step. Without checkpoints the last weights stay."""
    if not job.run.best_checkpoint.exists():
        return trainer.global_step
    best = torch.load(job.run.best_checkpoint, map_location="cpu", weights_only=True)
    job.module.load_state_dict(best["state_dict"])
    return best["global_step"]


def _write_predictions(job: Work, trainer: Trainer) -> None:
    """predictions/test.jsonl: every test row in the order of the data, with what the model says of it."""
    gathered: list[Any] = [job.module.scorers["test"].predictions()]
    if trainer.world_size > 1:
        gathered = [None] * trainer.world_size
        torch.distributed.all_gather_object(gathered, job.module.scorers["test"].predictions())
    if not trainer.is_global_zero:
        return
    index = torch.cat([i for i, _ in gathered])
    order = torch.argsort(index)
    decoded = job.spec.task.decode(torch.cat([p for _, p in gathered if len(p)])[order], job.prepared.head)
    rows = load_splits(job.prepared.folder, "raw")["test"]
    columns = [name for name in rows.column_names if name in job.spec.task.columns]
    job.run.predictions.mkdir(exist_ok=True)
    lines = (
        json.dumps({**{c: row[c] for c in columns}, "prediction": said}, ensure_ascii=False, default=str)
        for row, said in zip(rows, decoded, strict=True)
    )
    write_whole(job.run.predictions / "test.jsonl", "".join(line + "\n" for line in lines))


def _save_and_verify(job: Work) -> float:
    """Write model/ (and the adapter, where the strategy has one) and prove that it computes the same."""
    spec, folder = job.spec, job.run.model
    split = next(name for name in ("test", "validation", "train") if name in job.data.splits)
    rows = job.data.splits[split].select(range(min(_COMPARED_ROWS, len(job.data.splits[split]))))
    inputs = {
        k: v for k, v in spec.task.collate(list(rows), job.data.collate.tokenizer).items() if k != "labels"
    }
    texts = [
        value
        for row in load_splits(job.prepared.folder, "raw")[split].select(range(len(rows)))
        for name, value in row.items()
        if name in spec.task.columns and isinstance(value, str)
    ]
    model = job.module.model.cpu()
    expected = logits(model, inputs)
    # In a folder of its own: beside merged weights transformers would apply an adapter a second time.
    spec.strategy.save(model, str(folder / "adapter"))
    with quiet():
        merged: Any = spec.strategy.merge(model)
        merged.save_pretrained(folder)
    job.data.collate.tokenizer.save_pretrained(folder)
    return verify(folder, spec.task.auto_class, inputs, expected, job.data.collate.tokenizer, texts)
