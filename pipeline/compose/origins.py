"""Which file of options a key or a default comes from, for complaints about it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.compose import locations
from pipeline.errors import Problem


def shortened(file: Path) -> str:
    """A path as seen from where the user stands."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def lines_with(pattern: str, overrides: Sequence[str]) -> Iterator[str]:
    """``file:line`` of the lines that match, in all configuration folders; files that are chosen come first."""
    chosen = {text.lstrip("+").partition("=")[2] for text in overrides}
    files = [file for folder in locations.search_path() for file in sorted(folder.rglob("*.yaml"))]
    for file in sorted(files, key=lambda file: file.stem not in chosen):
        for number, line in enumerate(_text(file).splitlines(), start=1):
            if re.search(pattern, line.partition("#")[0]):
                yield f"{shortened(file)}:{number}"


def builds_on_itself() -> Path | None:
    """The file of options whose defaults list names the file's own name."""
    for folder in locations.search_path():
        for file in sorted(folder.glob("*/**/*.yaml")):
            group = file.parent.relative_to(folder).as_posix()
            if {file.stem, f"/{group}/{file.stem}"} & set(_defaults(file)):
                return file
    return None


def with_origins(
    problems: Sequence[Problem], files: Mapping[str, Path], overrides: Sequence[str]
) -> list[Problem]:
    """The problems of keys that a file sets, and that nobody set on the command line, with that file and line.

    That a value is missing is no mistake of the file that leaves it to the user.
    """
    typed = {text.lstrip("+~").partition("=")[0] for text in overrides}
    lines: dict[str, str] = {}
    for group, file in files.items():
        prefix = "" if "@package _global_" in _text(file) else f"{locations.package(group)}."
        lines |= {prefix + key: f"{shortened(file)}:{line}" for key, line in _lines_of_keys(file)}
    return [
        replace(problem, what=f"{problem.what} ({lines[problem.where]})")
        if problem.where in lines and problem.where not in typed and problem.what != "must be set"
        else problem
        for problem in problems
    ]


def without_mapping(file: Path) -> str:
    """Why a file of options sets nothing: "is empty", "holds …, and no key: value"; empty where it may."""
    content = _content(file)
    if content is None:
        return "is empty"
    return "" if isinstance(content, dict) else f"holds {str(content)[:40]!r}, and no key: value"


def _lines_of_keys(file: Path) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of everything that a file sets."""

    def walk(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            yield f"{prefix}{key.value}", key.start_mark.line + 1
            yield from walk(value, f"{prefix}{key.value}.")

    yield from walk(yaml.compose(_text(file)), "")


def _defaults(file: Path) -> list[str]:
    content = _content(file)
    entries = content.get("defaults") if isinstance(content, dict) else None
    return [entry.partition("@")[0] for entry in entries or () if isinstance(entry, str)]


def _content(file: Path) -> Any:
    try:
        return yaml.safe_load(_text(file))
    except yaml.YAMLError:
        return None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
