"""`best/` in a sweep's folder: the run that won."""

from __future__ import annotations

import secrets
from pathlib import Path

from pipeline.runs.directory import write_whole

NAME = "best"


def point_to(folder: Path, run: str) -> None:
    """Have ``folder``/best lead to ``folder``/``run``: a relative link, so that the folder can be moved.

    Where no link can be made it is a text file that names the run. A reader finds the old one or the new one.
    """
    temporary = folder / f".{NAME}.{secrets.token_hex(4)}"
    try:
        temporary.symlink_to(run, target_is_directory=True)
    except OSError:
        write_whole(folder / NAME, f"{run}\n")
        return
    temporary.replace(folder / NAME)


def remove(folder: Path) -> None:
    """Nothing has won any more."""
    (folder / NAME).unlink(missing_ok=True)
