"""One offline W&B run, as its records on disk have it."""

import json
from pathlib import Path
from typing import Any

from pipeline.training.loggers.wandb_record import records


class WandbFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = list(records(path))
        # Written first; what a killed process leaves may hold the header only.
        self.run = next((record.run for record in self.records if record.HasField("run")), None)
        self.artifacts = {
            record.artifact.name: record.artifact for record in self.records if record.HasField("artifact")
        }
        self.history = [as_dict(record.history.item) for record in self.records if record.HasField("history")]
        self.exit_codes = [record.exit.exit_code for record in self.records if record.HasField("exit")]

    @property
    def config(self) -> dict[str, Any]:
        config = as_dict(self.run.config.update)
        for record in self.records:
            if record.HasField("config"):
                config |= as_dict(record.config.update)
        return config

    def curve(self, name: str) -> list[tuple[int, Any]]:
        return [(row["trainer/global_step"], row[name]) for row in self.history if name in row]


def as_dict(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def find(folder: Path) -> list[WandbFile]:
    """The W&B runs below ``folder`` of which anything is on disk, oldest first."""
    paths = sorted(folder.rglob("*.wandb"), key=lambda path: path.parent.name)
    return [WandbFile(path) for path in paths if next(records(path), None) is not None]
