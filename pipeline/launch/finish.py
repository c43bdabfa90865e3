"""The end of a run: the best checkpoint is tested, saved for others, reloaded and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pipeline.launch.whole import make_whole
from pipeline.models import pooled_loading
from pipeline.models.loading import quiet
from pipeline.reporting.model_card import model_card
from pipeline.reporting.ordered_lines import OrderedLines, join
from pipeline.reporting.report.at_end import at_end
from pipeline.reporting.report.run_page import write_run_page
from pipeline.runs.directory import FINISHED, write_whole
from pipeline.runs.sizes import sizes
from pipeline.runs.verification import outputs, verify
from pipeline.training.compiling import uncompiled
from pipeline.training.watchdog import unwatched

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from pipeline.launch.work import Work
    from pipeline.training.scoring import Sink

# Of so many rows, at most so many that have so many tokens together are compared, and at least one.
_LOOKED_AT, _COMPARED_ROWS, _COMPARED_TOKENS = 64, 8, 512


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
    step, scored = job.module.best or (None, {})
    if step == metrics["best_step"] and "test" in job.data.splits:
        for prefix, scores in scored.items():
            keep(prefix, scores, metrics["best_step"])
    elif job.data.validation_names:
        # The checkpoint is of before an interruption. The logs have had these numbers when it was made.
        loggers, trainer.loggers = trainer.loggers, []
        trainer.validate(job.module, datamodule=job.data, verbose=False)
        trainer.loggers = loggers
    if "test" in job.data.splits:
        with _predictions(job, trainer) as job.module.test_sink:
            trainer.test(job.module, datamodule=job.data, verbose=False)
    make_whole(job)
    if not trainer.is_global_zero:
        return {}
    unwatched()
    difference = _save_and_verify(job)
    metrics["optimized_metric"] = metrics.get(job.schedule.monitor or "")
    metrics["reload_difference"] = difference
    metrics |= sizes(job.run, job.prepared.trainable if job.spec.train else 0, job.prepared.total)
    content = {**metrics, "tables": tables}
    write_whole(job.run.folder / "metrics.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_whole(job.run.folder / "README.md", model_card(job.run, metrics, tables, job.spec.model.licence))
    for logger in trainer.loggers:
        if hasattr(logger, "log_files"):
            logger.log_files(job.run.folder)
        logger.finalize("success")
    job.run.update(state=FINISHED)
    at_end(lambda: write_run_page(job.run))
    return content


def _load_best(job: Work, trainer: Trainer) -> int:
    """Put the best checkpoint's weights in the module; its step. Without checkpoints the last weights stay."""
    if not job.run.best_checkpoint.exists():
        return trainer.global_step
    best = torch.load(job.run.best_checkpoint, map_location="cpu", weights_only=True)
    job.module.load_state_dict(best["state_dict"])
    return best["global_step"]


@contextmanager
def _predictions(job: Work, trainer: Trainer) -> Iterator[Sink]:
    """predictions/test.jsonl: every test row in the order of the data, with what the model says of it.

    Every process writes its rows as they come; nothing of them stays in memory.
    """
    folder, columns = job.run.predictions, job.spec.task.columns

    def part(rank: int) -> Path:
        return folder / f".test.{rank}"

    with OrderedLines(part(trainer.global_rank)) as lines:

        def sink(number: int, row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
            read = {name: value for name, value in row.items() if name in columns}
            lines.add(number, json.dumps({**read, "prediction": said}, ensure_ascii=False, default=str))

        yield sink
    trainer.strategy.barrier("predictions")
    if trainer.is_global_zero:
        join([part(rank) for rank in range(trainer.world_size)], folder / "test.jsonl")
        if not (folder / "test.jsonl").stat().st_size:
            (folder / "test.jsonl").unlink()
            folder.rmdir()


def _short(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those to compare: what a language model computes of a token is as long as its vocabulary, and packed blocks are
    as long as they may be."""
    found: list[dict[str, Any]] = []
    tokens = 0
    for row in sorted(rows, key=itemgetter("length"))[:_COMPARED_ROWS]:
        tokens += row["length"]
        if found and tokens > _COMPARED_TOKENS:
            break
        found.append(row)
    return found


def _save_and_verify(job: Work) -> float:
    """Write model/ (and the adapter, where the strategy has one) and prove that it computes the same."""
    spec, folder = job.spec, job.run.model
    split = next((name for name in ("test", "validation") if name in job.data.splits), "train")
    rows = _short(job.data.examples(split, _LOOKED_AT))
    inputs = spec.task.forward_inputs(spec.task.collate(rows, job.data.collate.tokenizer))
    texts = [
        str(value)  # of conversations and other lists as they are written in Python
        for name, values in job.data.first_rows(split, _COMPARED_ROWS).items()
        if name in spec.task.columns
        for value in values
        if isinstance(value, str | list)
    ]
    if job.module.stand_ins is not None:
        job.module.stand_ins.restore()  # What is saved computes everything.
    uncompiled(job.module.model)
    model = spec.strategy.trained(job.module.model).cpu()
    expected = outputs(model, inputs)
    # In a folder of its own: beside merged weights transformers would apply an adapter a second time.
    spec.strategy.save(model, str(folder / "adapter"))
    home = folder if spec.strategy.mergeable else folder / "base"
    with quiet():
        merged: Any = spec.strategy.merge(model)
        merged.save_pretrained(home)
    job.data.collate.tokenizer.save_pretrained(home)
    spec.task.save(str(home), job.prepared.head, job.data.collate.tokenizer)
    auto_class = spec.model.auto_class(merged.config, spec.task.heads_for(job.prepared.head))
    code = pooled_loading.code() if pooled_loading.is_pooled(merged.config) else None
    return verify(folder, auto_class, inputs, expected, job.data.collate.tokenizer, texts, code=code)
