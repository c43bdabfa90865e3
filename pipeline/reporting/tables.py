"""What a person reads in the terminal of one run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Labels, paths and overrides are shown as they are, even where they look like rich's own [markup] or :emoji:.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}


def show_pairs(title: str, rows: Iterable[tuple[str, str]], *, error: bool = True) -> None:
    """A table of two columns; on standard error, unless it is itself the result that was asked for."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    Console(stderr=error, **_PLAIN).print(table)


def show_scores(metrics: Mapping[str, Any], tables: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Metrics with one column a split; per class, and the tables, for the test split or the only one there is."""
    from rich.console import Console

    console = Console(**_PLAIN)
    overall, by_class = arranged(metrics)
    console.print(_grid("scores", overall))
    splits = overall[0][1:]
    for split in splits[:1]:
        if len(by_class.get(split, [])) > 1:
            console.print(_grid(f"{split} by class", by_class[split]))
        for title, rows in tables.items():
            if title.startswith(f"{split}/"):
                console.print(_grid(title, rows))


def show_rows(
    title: str, rows: Sequence[Sequence[str]], notes: Iterable[str] = (), *, lines: bool = True
) -> None:
    """A table whose first row is its header, with ``lines`` between rows, and notes below it. Long cells are broken
    at spaces."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_lines=lines)
    for number, name in enumerate(rows[0]):
        table.add_column(
            name,
            style=None if number else "bold",
            no_wrap=max(len(row[number]) for row in rows) < 20,
            overflow="fold",
        )
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(**_PLAIN)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)


def show_best(metrics: Mapping[str, Any], *, chosen: bool) -> None:
    """Which step was tested and saved, and whether it was `chosen` by a metric or is just the last one."""
    from rich.console import Console

    if metrics.get("total_steps") == 0:
        return Console(soft_wrap=True, **_PLAIN).print("scored as it is: nothing was trained")
    of = f" of {metrics['total_steps']:,}" if "total_steps" in metrics else ""
    score = metrics.get("optimized_metric")
    by = f" ({metrics['monitor']} {score:.4f})" if score is not None else ""
    kind = "best" if chosen and metrics.get("monitor") else "last"
    Console(soft_wrap=True, **_PLAIN).print(f"{kind}: step {metrics['best_step']:,}{of}{by}")


def arranged(metrics: Mapping[str, Any]) -> tuple[list[list[Any]], dict[str, list[list[Any]]]]:
    """Metrics by full name as a grid of metric × split, and for each split a grid of class × metric.

    Every split has a loss, which tells ``val/news`` + ``accuracy`` from ``val`` + ``f1/news``.
    """
    numbers = {
        name: value for name, value in metrics.items() if "/" in name and isinstance(value, (int, float))
    }
    splits = [name.removesuffix("/loss") for name in numbers if name.endswith("/loss")]
    splits.sort(key=lambda split: split != "test")
    of_split = {
        split: {
            name.removeprefix(f"{split}/"): value
            for name, value in numbers.items()
            if name.startswith(f"{split}/")
            and not any(name.startswith(f"{s}/") for s in splits if len(s) > len(split))
        }
        for split in splits
    }
    names = [
        name for name in dict.fromkeys(n for values in of_split.values() for n in values) if "/" not in name
    ]
    overall = [
        ["metric", *splits],
        *[[name, *[_cell(of_split[s].get(name)) for s in splits]] for name in names],
    ]
    by_class = {}
    for split, values in of_split.items():
        pairs = [name.split("/", 1) for name in values if "/" in name]
        kinds = list(dict.fromkeys(kind for kind, _ in pairs))
        classes = list(dict.fromkeys(label for _, label in pairs))
        rows = [[label, *[_cell(values.get(f"{kind}/{label}")) for kind in kinds]] for label in classes]
        by_class[split] = [["class", *kinds], *rows]
    return overall, by_class


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _grid(title: str, rows: Sequence[Sequence[Any]]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(rows[0]):
        table.add_column(str(column), justify="right" if number else "left", style=None if number else "bold")
    for row in rows[1:]:
        table.add_row(*map(str, row))
    return table


def show_paths(folder: Path, names: Iterable[str]) -> None:
    """Where things were written."""
    from rich.console import Console

    console = Console(soft_wrap=True, **_PLAIN)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    console.print(str(shown), style="bold")
    for name in names:
        if (folder / name).exists():
            console.print(f"  {name}")
