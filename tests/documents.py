"""What the documentation shows: files, and commands as a user would type them."""

import re
import shlex
from pathlib import Path

FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A comment right above a block says why its commands cannot be run everywhere.
COMMANDS = re.compile(r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```bash\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(document: Path, folder: Path) -> list[str]:
    """Write every file that ``document`` shows (a line with its name, then its content); their names."""
    files = dict(FILE.findall(document.read_text(encoding="utf-8")))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(files)


def commands(document: Path) -> list[tuple[str, str | None]]:
    """Every command of the bash blocks, and why it cannot be run everywhere (None: it can)."""
    return [
        (line, found["why"])
        for found in COMMANDS.finditer(document.read_text(encoding="utf-8"))
        for line in found["text"].replace("\\\n", " ").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]


def words_of(command: str) -> tuple[str, list[str]]:
    """``python -m pipeline.NAME WORD …`` as NAME and its words."""
    python, flag, module, *words = shlex.split(command)
    assert (python, flag) == ("python", "-m"), command
    return module.removeprefix("pipeline."), words


def with_more(command: str, words: list[str]) -> str:
    """``command`` with more words at the end of its first part, before a pipe or a redirection."""
    here = re.search(r"\s+[|>].*$", command)
    start, rest = (command[: here.start()], here.group()) if here else (command, "")
    return f"{start} {shlex.join(words)}{rest}"
