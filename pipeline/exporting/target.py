"""A folder that is whole when it appears, or does not."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import BadInput, Problem


def check_target(output: str | None) -> Path:
    """The folder to write, without links or dots in its name. Raises BadInput where nothing says which, where something
    lies there already, or where no folder can be put in its place."""
    if not output:
        raise BadInput(Problem("output", "where to?", "a folder: output=exported"))
    try:
        target = Path(output).expanduser().resolve()
    except (RuntimeError, OSError) as error:  # No such user; links that lead to each other.
        raise BadInput(Problem("output", f"{output} is no path: {error}", "a new folder")) from error
    if target.is_dir() and any(target.iterdir()):
        raise BadInput(Problem("output", f"{output} is not empty", "a new folder, or an empty one"))
    if target.exists() and not target.is_dir():
        raise BadInput(Problem("output", f"{output} is a file", "a new folder, or an empty one"))
    if target.is_mount():
        what = f"{output} is where a file system is mounted, which nothing can be put in place of"
        raise BadInput(Problem("output", what, "a folder inside of it"))
    return target


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` to write into, which gets its name in the end, and is removed where that fails.

    Raises BadInput where no folder can be made.
    """
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        beside.mkdir(parents=True)
    except OSError as error:
        what = f"{beside.parent} cannot be written to: {error.strerror}"
        raise BadInput(Problem("output", what, "a folder that may be written to")) from error
    try:
        yield beside
        beside.rename(target)  # An empty folder of this name gives way.
    except BaseException:
        shutil.rmtree(beside)
        with suppress(OSError):  # Something else has come into one of them.
            for folder in made:
                folder.rmdir()
        raise
