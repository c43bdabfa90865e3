"""What a person reads in the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def show_pairs(title: str, rows: Iterable[tuple[str, str]], *, error: bool = True) -> None:
    """A table of two columns; on standard error, unless it is itself the result that was asked for."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    Console(stderr=error, highlight=False).print(table)


def show_scores(metrics: Mapping[str, Any], tables: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Metrics with one column a split, then the tables of the test split."""
    from rich.console import Console
    from rich.table import Table

    numbers = {name: value for name, value in metrics.items() if "/" in name and isinstance(value, (int, float))}
    splits = sorted({name.partition("/")[0] for name in numbers}, key=lambda s: (s != "test", s))
    names = list(dict.fromkeys(name.partition("/")[2] for name in numbers))
    table = Table(title="scores", title_justify="left")
    table.add_column("metric", style="bold")
    for split in splits:
        table.add_column(split, justify="right")
    for name in names:
        values = [numbers.get(f"{split}/{name}") for split in splits]
        table.add_row(name, *["" if value is None else f"{value:.4f}" for value in values])
    console = Console(highlight=False)
    console.print(table)
    for title, rows in tables.items():
        if not title.startswith("val/"):
            grid = Table(title=title, title_justify="left")
            for column in rows[0]:
                grid.add_column(str(column))
            for row in rows[1:]:
                grid.add_row(*map(str, row))
            console.print(grid)


def show_paths(folder: Path, names: Iterable[str]) -> None:
    """Where things were written."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    console.print(f"[bold]{shown}[/bold]")
    for name in names:
        if (folder / name).exists():
            console.print(f"  {name}")
