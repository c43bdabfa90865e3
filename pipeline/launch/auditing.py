"""The audit of a run's data: made once, kept in the cache, and in the way of a run whose data has a severe fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.audit.subject import TRAIN
from pipeline.errors import BadInput, Problem
from pipeline.fetch.cache import entry
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared
    from pipeline.models.checkpoint import Checkpoint
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Head, Task

# Changes when audits of older versions must not be read any more.
_FORMAT = 2
# What the report of an audit holds: see pipeline.data.audit.audit.
Report = Mapping[str, Any]


def audited(spec: RunSpec, prepared: Prepared) -> Report | None:
    """What was found in the data of a run; None with data.audit=off, or where no split is stored. Raises BadInput for
    what is severe, unless data.audit=warn."""
    stored = [split for split in prepared.rows if not (prepared.stream and split == TRAIN)]
    if spec.data.audit == "off" or not stored:
        return None
    report = audit_folder(
        prepared.folder,
        task=spec.task,
        head=prepared.head,
        checkpoint=spec.model,
        model_folder=prepared.checkpoint["folder"],
        source=spec.data,
    )
    severe = [finding for finding in report["findings"] if finding["severity"] == "severe"]
    if severe and spec.data.audit == "stop":
        raise BadInput([_problem(finding) for finding in severe])
    return report


def audit_folder(
    folder: str,
    *,
    task: Task,
    head: Head,
    checkpoint: Checkpoint,
    model_folder: str,
    source: Source,
    trained_on: str | None = None,
) -> Report:
    """The report on a folder of prepared splits (see `pipeline.data.prepare`), made once.

    trained_on: the prepared folder whose training rows these splits are compared with, if they have none.
    """

    def build(target: Path) -> None:
        from datasets import Dataset

        from pipeline.data.audit.audit import audit
        from pipeline.data.audit.subject import Subject
        from pipeline.data.prepare import load_splits
        from pipeline.tasks.places import places_text

        raw: dict[str, Dataset] = dict(load_splits(folder, "raw"))
        if trained_on is not None and TRAIN not in raw:
            trained = load_splits(trained_on, "raw")
            raw |= {TRAIN: trained[TRAIN]} if TRAIN in trained else {}
        tokenizer = checkpoint.tokenizer(model_folder)
        subject = Subject(task, head, tokenizer, source, raw, load_splits(folder, "encoded"))
        target.write_text(
            json.dumps(audit(subject, places_text), ensure_ascii=False, indent=1), encoding="utf-8"
        )

    # A prepared folder's name is its content address.
    names = [Path(name).name for name in (folder, trained_on) if name is not None]
    return json.loads(entry("audits", digest([_FORMAT, *names]), build).read_text(encoding="utf-8"))


def _problem(finding: Mapping[str, Any]) -> Problem:
    what = finding["what"] + (f": {finding['places']}" if finding["places"] else "")
    return Problem(
        f"data ({finding['check']})", what, f"{finding['advice']}; data.audit=warn goes on in spite of it"
    )
