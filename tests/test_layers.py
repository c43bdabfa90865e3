"""The direction of imports: an earlier room may import a later one, never the reverse."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"

# From the commands down. Rooms of one tier do not import each other.
TIERS = [
    {"commands"},
    {"compose"},
    {"exporting"},
    {"launch"},
    {"sources", "tasks", "strategies", "models"},
    {"data"},
    {"training"},
    {"reporting"},
    {"runs"},
    {"fetch"},
    {"errors", "component"},
]
LEVEL = {room: level for level, tier in enumerate(TIERS) for room in tier}
# What is learned, from what and how: none of it knows who trains it.
WITHOUT_LIGHTNING = {"sources", "tasks", "strategies", "models"}


def room_of(module: str) -> str:
    """``pipeline.data.batches`` -> ``data``; top-level modules are commands, but for two at the bottom."""
    parts = module.split(".")[1:]
    if parts and parts[0] in LEVEL and parts[0] != "commands":
        return parts[0]
    return "commands"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Module names that are imported when the program runs, wherever in the file, and the line."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            assert isinstance(node, ast.If)
            yield from imports(ast.Module(body=node.orelse, type_ignores=[]))
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the room"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        yield from imports(node)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def violations(module: str, source: str) -> list[str]:
    here, found = room_of(module), []
    for name, line in imports(ast.parse(source)):
        there = room_of(name)
        if name.split(".")[0] != "pipeline":
            if here in WITHOUT_LIGHTNING and name.split(".")[0] in ("lightning", "pytorch_lightning"):
                found.append(f"{module}:{line} imports {name}: {here} know nothing of Lightning")
        elif there != here and LEVEL[there] <= LEVEL[here]:
            found.append(f"{module}:{line} imports {name}: {there} is not below {here}")
    return found


def test_every_folder_is_a_known_room():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == set(LEVEL) - {"commands", "errors", "component"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down(path: Path):
    assert violations(name_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "count"),
    [
        ("pipeline.runs.x", "from pipeline.launch import work", 1),
        ("pipeline.runs.x", "def f():\n    import pipeline.data.module", 1),
        ("pipeline.tasks.x", "from pipeline.models import loading", 1),
        ("pipeline.tasks.x", "from lightning.pytorch import Trainer", 1),
        ("pipeline.errors", "import pipeline.runs.paths", 1),
        ("pipeline.compose.x", "import pipeline.train", 1),
        (
            "pipeline.runs.x",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pipeline.launch",
            0,
        ),
        ("pipeline.launch.x", "from pipeline.data import batches\nimport lightning", 0),
        ("pipeline.train", "from pipeline.compose import words\nimport pipeline.starting", 0),
    ],
)
def test_the_check_itself(module: str, source: str, count: int):
    assert len(violations(module, source)) == count
