"""Facts of a run, and the options of a Trainer that does nothing beside training, for tests."""

from pathlib import Path
from typing import Any

from pipeline.training.specs import RunFacts

BARE: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "accelerator": "cpu",
}


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
