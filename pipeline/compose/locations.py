"""Where configuration files are looked for. Standard library only: ``--help`` is answered without Hydra."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pipeline.errors import BadInput, Problem

PRIMARY = "hydratune"

# What ``--config-dir`` named. Hydra calls search-path plugins without arguments, hence a variable.
_config_dir: ContextVar[str | None] = ContextVar("config_dir", default=None)


def shipped() -> Path:
    """The folder of the shipped configuration: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def search_path() -> list[Path]:
    """Configuration folders, the first to be searched first; the shipped one is last.

    Raises BadInput where ``--config-dir`` is not a folder.
    """
    folders = [shipped()]
    own = Path.cwd() / "conf"
    if own.is_dir() and own.resolve() != folders[0]:
        folders.insert(0, own.resolve())
    if chosen := _config_dir.get():
        if not Path(chosen).is_dir():
            raise BadInput(Problem("--config-dir", f"'{chosen}' is not a folder"))
        folders.insert(0, Path(chosen).resolve())
    return list(dict.fromkeys(folders))


@contextmanager
def using(config_dir: str | None) -> Iterator[None]:
    """Search ``config_dir`` first, within the block; None leaves it as it is."""
    token = _config_dir.set(config_dir or _config_dir.get())
    try:
        yield
    finally:
        _config_dir.reset(token)


def make_importable() -> None:
    """Let modules where the user stands be imported, as ``python -m`` does and a console script does not."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def options(group: str) -> dict[str, Path]:
    """Option -> file of a group (``model``, ``hydra/launcher``), over all configuration folders."""
    found: dict[str, Path] = {}
    for folder in search_path():
        for file in sorted((folder / group).glob("*.yaml")):
            found.setdefault(file.stem, file)
    return found


def is_group(name: str) -> bool:
    """Whether there is a group of this name (``model``, ``callbacks/extra``), in any configuration folder."""
    if not re.fullmatch(r"[\w-]+(/[\w-]+)*", name):
        return False
    return name in default_options() or any((folder / name).is_dir() for folder in search_path())


def groups() -> list[str]:
    """Names of all groups: those of the primary configuration in its order, then what else has options.

    A group inside a group (``data/template``) follows the one that it is in.
    """
    listed = list(default_options())
    folders = {
        path.relative_to(folder).as_posix()
        for folder in search_path()
        for path in folder.rglob("*")
        if path.is_dir()
    }
    # Of Hydra's own groups only the one that has options of ours.
    shown = [name for name in folders if name.partition("/")[0] != "hydra" or name == "hydra/launcher"]
    found = sorted(name for name in shown if options(name))
    inner = [name for name in found if "/" in name]
    outer = [*listed, *(name for name in found if name not in listed and name not in inner)]
    nested = [name for group in outer for name in (group, *(n for n in inner if n.startswith(f"{group}/")))]
    return [*nested, *(name for name in inner if name not in nested)]


def package(choice: str) -> str:
    """Where the keys of a chosen option stand: ``data/template`` in ``data.template``, ``data@data.sources.mine``
    in ``data.sources.mine``."""
    group, at, place = choice.partition("@")
    return place if at else group.replace("/", ".")


def primary_file() -> Path:
    """The primary configuration's file, the user's own before ours."""
    candidates = [folder / f"{PRIMARY}.yaml" for folder in search_path()]
    return next((file for file in candidates if file.is_file()), candidates[-1])


def default_options() -> dict[str, str]:
    """Group -> default option as written in the primary configuration's defaults list."""
    defaults: dict[str, str] = {}
    inside = False
    for line in primary_file().read_text(encoding="utf-8").splitlines():
        if line.startswith("defaults:"):
            inside = True
        elif inside and line and not line.startswith((" ", "-", "#")):
            break
        elif inside:
            entry = line.partition(" #")[0].strip().removeprefix("-").strip()
            group, colon, option = entry.partition(":")
            if colon and not group.startswith("override "):
                defaults[group.strip()] = option.strip()
    return defaults
