"""The Lightning side of the csv logger."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

HEADER = ("step", "name", "value")


class CsvLogger(Logger):
    """Rows of step, name, value, on disk as soon as they are logged.

    Long form, because columns that appear late (``test/f1``) would rewrite a wide file. Values are written so
    that reading gives the same float. Metrics named ``time/…`` differ from run to run, so they go to
    ``timing.csv``: ``metrics.csv`` of two equal runs is equal byte for byte, even if one was cut off.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.metrics = folder / "metrics.csv"
        self.timing = folder / "timing.csv"

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.metrics.parent)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        rows = [(step or 0, name, repr(float(value))) for name, value in metrics.items()]
        append(self.metrics, [row for row in rows if not row[1].startswith("time/")])
        append(self.timing, [row for row in rows if row[1].startswith("time/")])

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run directory has its configuration."""

    @rank_zero_only
    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        """``test/confusion_matrix`` becomes ``test_confusion_matrix.csv``; the latest step's stays."""
        path = self.metrics.parent / f"{name.replace('/', '_')}.csv"
        path.unlink(missing_ok=True)
        append(path, rows, header=())

    def position(self) -> int:
        """Size of ``metrics.csv`` in bytes, all of them on the disk: a machine may die after the checkpoint."""
        if not self.metrics.exists():
            return 0
        with self.metrics.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size

    @rank_zero_only
    def truncate(self, position: int) -> None:
        """Cut ``metrics.csv`` back to ``position`` bytes. The time that was spent stays in ``timing.csv``."""
        if position > self.position():
            raise ValueError(f"{self.metrics} is shorter than the checkpoint remembers: {position} bytes")
        if self.metrics.exists():
            os.truncate(self.metrics, position)


def append(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = HEADER) -> None:
    """Write ``rows`` at the end of a csv file; the header first where the file is new or empty."""
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if header and file.tell() == 0:
            writer.writerow(header)
        writer.writerows(rows)
