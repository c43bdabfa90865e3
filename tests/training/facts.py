"""Facts of a run for tests."""

from pathlib import Path
from typing import Any

from pipeline.training.specs import RunFacts


def facts(folder: Path, **other: Any) -> RunFacts:
    known: dict[str, Any] = {
        "folder": folder,
        "id": "3f2a9c",
        "name": "bert-lora",
        "task": "text_classification",
        "tags": ("first", "nightly"),
        "group": None,
        "config": {},
        "segment": 0,
        "total_steps": 10,
        "monitor": "val/accuracy",
        "mode": "max",
    }
    return RunFacts(**(known | other))
