"""What a logger may do beyond Lightning's Logger, and what several loggers need."""

import json
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


class Logged:
    """Remembers in a file up to which step each metric was logged; for records that cannot be cut back.

    A run that continues from a checkpoint makes some steps once more, with the same numbers: left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
        self.before = dict(self.steps)  # By earlier starts of the run.

    def new(self, metrics: Mapping[str, Any], step: int) -> dict[str, Any]:
        """Those of ``metrics`` that no earlier start of the run has logged for this step."""
        return {name: value for name, value in metrics.items() if step > self.before.get(name, -1)}

    def remember(self, names: Sequence[str], step: int) -> None:
        """Note that ``names`` are logged for ``step``."""
        self.steps.update(dict.fromkeys(names, step))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(self.steps))
        whole.replace(self.path)


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
