"""The cache folder, and entries in it that are either whole or not there."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import BadInput, Problem


def cache_folder() -> Path:
    """Where what is fetched or computed once is kept: $HYDRATUNE_CACHE, else in the user's cache."""
    chosen = os.environ.get("HYDRATUNE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    # The XDG specification: a relative $XDG_CACHE_HOME is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return (base if base.is_absolute() else Path.home() / ".cache") / "hydratune"


def entry(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The cached file or folder ``<cache>/<kind>/<key>``, made by ``build(path)`` if it is not there yet.

    ``key`` is a content address: it says all that the entry's content depends on. ``build`` gets a path where
    nothing is, and leaves a file or a folder there; only when it returns does that get the entry's name, so a
    process killed at any moment leaves nothing that is ever read. Of several processes one builds and the
    others wait for its entry. What a killed process left is removed by the next one that builds the entry.

    Raises BadInput where the cache folder cannot be written; whatever ``build`` raises passes through.
    """
    if not re.fullmatch(r"[\w.-]+", kind) or not re.fullmatch(r"[\w-][\w.-]*", key):
        raise ValueError(f"not a name for a cache entry: {kind!r}/{key!r}")
    folder = cache_folder() / kind
    whole = folder / key
    if not whole.exists():
        with _lock(kind, key):
            # Another process may have built it while this one waited.
            if not whole.exists():
                _build_whole(whole, folder / f".{key}.partial", build)
    # Least recently used entries are the first to go when the cache is tidied.
    with contextlib.suppress(OSError):
        os.utime(whole)
    return whole


def _lock(kind: str, key: str) -> contextlib.AbstractContextManager[object]:
    from filelock import FileLock

    locks = cache_folder() / ".locks"
    try:
        (cache_folder() / kind).mkdir(parents=True, exist_ok=True)
        locks.mkdir(exist_ok=True)
        return FileLock(locks / f"{kind}.{key}.lock").acquire()
    except OSError as error:
        raise BadInput(
            Problem(
                where="HYDRATUNE_CACHE",
                what=f"the cache folder {cache_folder()} cannot be written ({error.strerror or error})",
                allowed="a folder that can be written: set the environment variable HYDRATUNE_CACHE",
            )
        ) from error


def _build_whole(whole: Path, partial: Path, build: Callable[[Path], None]) -> None:
    # The lock is held, so whatever lies here is left over from a process that died.
    _remove(partial)
    try:
        build(partial)
        partial.replace(whole)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
