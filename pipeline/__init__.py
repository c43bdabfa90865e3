"""Hydratune: declarative fine-tuning. ``from pipeline import Run`` does in Python what the commands do."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    # Importing any module of the package runs this file: it must cost nothing.
    if name == "Run":
        from pipeline.api import Run

        return Run
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
