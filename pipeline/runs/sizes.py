"""How large what a run leaves is, and how much of the model was trained."""

from pathlib import Path
from typing import Any

from pipeline.runs.directory import RunDirectory


def sizes(run: RunDirectory, trained: int, total: int) -> dict[str, Any]:
    """For metrics.json: ``trained_share`` (of the parameters), and in bytes ``checkpoint_bytes`` (of the best
    checkpoint, which holds what was trained and nothing else, the head included; None where nothing was trained) and
    ``model_bytes`` (of ``model/``, an adapter beside the merged weights included)."""
    best = run.best_checkpoint
    return {
        "trained_share": trained / total,
        "checkpoint_bytes": best.stat().st_size if best.exists() else None,
        "model_bytes": folder_size(run.model),
    }


def folder_size(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
