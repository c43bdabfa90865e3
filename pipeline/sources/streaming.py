"""What a run cannot do with training rows that are streamed, and what to do instead."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.errors import Problem

if TYPE_CHECKING:
    from pipeline.sources.files import Files

_WHOLE = "null, or data.streaming=false"


def stream_problems(source: "Files", spec: Any) -> Iterator[Problem]:
    """Options that need all rows at once, and budgets that need their number."""
    if not source.streaming:
        if source.scan:
            yield Problem("data.scan", "is of a stream, and the data is read whole", "data.streaming=true")
        return
    if not spec.train:
        yield Problem("data.streaming", "is for training rows, and nothing is trained (train=false)", "false")
    elif source.train is None:
        yield Problem("data.train", "no file is given to stream", "data.train=FILE, a glob, a list or URLs")
    for name in ("limit", "examples_per_class", "overfit"):
        if getattr(source, name):
            what = "chooses among all training rows, and of a stream they are never there together"
            yield Problem(f"data.{name}", what, _WHOLE)
    for name in ("folds", "group_by", "stratify_by"):
        if getattr(source.split, name):
            what = "is about rows that are held out, and nothing can be held out of a stream"
            yield Problem(f"data.split.{name}", what, f"{_WHOLE}; rows to validate on: data.validation=FILE")
    if source.template is not None:
        what = "makes columns of rows when they are stored, and those of a stream never are"
        yield Problem("data.template", what, "null, or data.streaming=false")
    if source.on_bad_rows == "skip":
        what = "keeps a list of bad rows, and of a stream nothing is kept"
        yield Problem("data.on_bad_rows", what, "stop, or data.streaming=false")
    if spec.trainer.max_tokens:
        what = "counts the tokens of every row beforehand, and those of a stream are not known"
        yield Problem("trainer.max_tokens", what, "trainer.max_steps or trainer.max_epochs")
    if source.scan and not spec.trainer.max_steps:
        what = f"with only {source.scan:,} rows looked at, it is not known how long an epoch is"
        yield Problem("trainer.max_steps", what, "a number of steps, or data.scan=null")
