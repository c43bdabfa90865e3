"""Which files of a run are kept in Weights & Biases, and that no secret is in them."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from pipeline.runs.redaction import redact, redact_text

KEPT = (
    *("config.yaml", "overrides.yaml", "resolved.yaml", "manifest.json", "metrics.json"),
    *("README.md", "logs/csv/*.csv"),
)


def stage(run: Path, into: Path) -> Path:
    """Copy the small files of the run directory ``run``, redacted, to the folder ``into``.

    Copies, in the run directory: an offline run refers to its files by path until it is synchronised.
    """
    shutil.rmtree(into, ignore_errors=True)
    for source in sorted(path for pattern in KEPT for path in run.glob(pattern)):
        copy = into / source.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(redacted(source), encoding="utf-8")
    into.mkdir(parents=True, exist_ok=True)
    return into


def redacted(path: Path) -> str:
    """The text of a file without secrets; json and yaml by their keys, so that long values go too."""
    text = path.read_text(encoding="utf-8")
    clean: Any
    if path.suffix == ".json":
        content = json.loads(text)
        clean = redact(content)
        text = text if clean == content else json.dumps(clean, indent=2, ensure_ascii=False) + "\n"
    elif path.suffix == ".yaml":
        content = yaml.safe_load(text)
        clean = redact(content)
        text = text if clean == content else yaml.safe_dump(clean, sort_keys=False, allow_unicode=True)
    return redact_text(text)  # Comments too.
