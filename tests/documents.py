"""What the documentation shows: files, and commands as a user would type them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A code block, and the comment right above it, which says why it is not run as it stands."""

    mark: str
    kind: str
    text: str


def blocks(document: Path, kind: str) -> list[Block]:
    """The code blocks of one kind (bash, python, …)."""
    found = BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [Block(b["mark"] or "", b["kind"], b["text"]) for b in found if b["kind"] == kind]


def write_files(document: Path, folder: Path) -> list[str]:
    """Write every file that ``document`` shows (a line with its name, then its content); their names."""
    files = dict(FILE.findall(document.read_text(encoding="utf-8")))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(files)


def commands(document: Path) -> list[str]:
    """Every line of the bash blocks."""
    return [line for block in blocks(document, "bash") for line in block.text.splitlines() if line.strip()]


def words_of(command: str) -> tuple[str, list[str]]:
    """``python -m pipeline.NAME WORD …`` as NAME and its words."""
    python, flag, module, *words = shlex.split(command)
    assert (python, flag) == ("python", "-m"), command
    return module.removeprefix("pipeline."), words
