"""A folder that is whole when it appears, or does not."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import BadInput, Problem


def check_target(output: str | None) -> Path:
    """The folder to write. Raises BadInput where nothing says which, or something lies there already."""
    if not output:
        raise BadInput(Problem("output", "where to?", "a folder: output=exported"))
    target = Path(output).expanduser().absolute()
    if target.is_dir() and any(target.iterdir()):
        raise BadInput(Problem("output", f"{output} is not empty", "a new folder, or an empty one"))
    if target.exists() and not target.is_dir():
        raise BadInput(Problem("output", f"{output} is a file", "a new folder, or an empty one"))
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
