"""A bar on stderr for what takes long before the run begins; lines where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from pipeline.training.progress import Pace, clock

# Seconds without a word: most data is encoded sooner. Seconds between lines.
QUIET, BETWEEN = 3.0, 30.0


class Waiting:
    """How much of ``total`` is done, and the time left.

    what: is being done, and unit: to what.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        from rich.console import Console

        self.what, self.total, self.unit = what, total, unit
        self.console, self.pace = Console(stderr=True), Pace(0, total)
        self.bar: Any = None
        self.done, self.task, self.said = 0, None, 0.0

    def __enter__(self) -> Waiting:
        return self

    def advance(self, count: int) -> None:
        self.done += count
        passed = self.pace.elapsed()
        if self.console.is_terminal and passed > QUIET:
            self._show()
        elif not self.console.is_terminal and passed - self.said > BETWEEN:
            self.said = passed
            self.console.print(f"{self.what} {self._text()}", highlight=False, markup=False)

    def _text(self) -> str:
        left = self.pace.left(self.done)
        time = f"{clock(self.pace.elapsed())} elapsed" + (f", {clock(left)} left" if left is not None else "")
        return f"{self.done:,}/{self.total:,} {self.unit}  {time}"

    def _show(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        if self.bar is None:
            text = TextColumn("{task.fields[text]}", markup=False)
            self.bar = Progress(TextColumn(self.what), BarColumn(bar_width=30), text, console=self.console)
            self.task = self.bar.add_task(self.what, total=self.total, text="")
            self.bar.start()
        self.bar.update(self.task, completed=self.done, text=self._text())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
