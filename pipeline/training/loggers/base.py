"""What a logger may do beyond Lightning's Logger, and what several loggers need."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import BadInput, Problem


@runtime_checkable
class LogsTables(Protocol):
    """A logger that can show a table, such as a confusion matrix."""

    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        """Rows of cells; the first row is the header."""


@runtime_checkable
class LogsFiles(Protocol):
    """A logger that can keep the files of a run."""

    def log_files(self, folder: Path) -> None:
        """folder: the run directory, complete. The last thing that a run logs before ``finalize``."""


@runtime_checkable
class Rewinds(Protocol):
    """A logger whose record is cut back to what a checkpoint knew, when a run is resumed from it."""

    def position(self) -> int:
        """What a checkpoint remembers."""

    def truncate(self, position: int) -> None:
        """Forget what was logged after ``position``; 0 forgets all (a run that starts over)."""


def require(logger: str, modules: Mapping[str, str]) -> None:
    """Raise BadInput unless every module of ``modules`` (module -> requirement for pip) is installed."""
    missing = [requirement for module, requirement in modules.items() if find_spec(module) is None]
    if missing:
        raise BadInput(
            Problem(
                where=f"logger={logger}",
                what=f"needs packages that are not installed: {', '.join(missing)}",
                allowed="install them: python -m pip install " + " ".join(f"'{name}'" for name in missing),
            )
        )
