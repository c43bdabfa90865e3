"""Which files a path, glob, list, URL or package address means."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.fetch.cache import entry
from pipeline.fetch.package_index import PREFIX, fetch

MAGIC = "*?["
# What file systems call a file's size, the hash of its content, and the time of its last change.
_CHANGES = {
    "size",
    "etag",
    "e_tag",
    "md5",
    "md5hash",
    "content_md5",
    "checksum",
    "blob_id",
    "oid",
    "sha256",
    "generation",
}
_CHANGES |= {"mtime", "modified", "last_modified", "lastmodified", "updated", "created"}
# Local files from this size on are hashed once, and again only when their size or time has changed.
LARGE = 1_000_000


@dataclass(frozen=True)
class Located:
    """One file. ``name`` is what the user calls it; ``path`` is what its file system ``system`` calls it."""

    name: str
    path: str
    system: Any

    def open(self) -> IO[bytes]:
        """The content, decompressed where the name ends in .gz, .bz2, .xz or .zip."""
        from fsspec.compression import compr
        from fsspec.utils import infer_compression

        stream: IO[bytes] = self.system.open(self.path, "rb")
        compression = infer_compression(self.path)
        return compr[compression](stream, mode="rb") if compression else stream

    def sha256(self) -> str:
        """Of the bytes as they are stored."""
        local = Path(self.path)
        if self.system.protocol != ("file", "local"):
            with self._readable(), self.system.open(self.path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        with self._readable():
            facts = local.stat()
        # A file changed a moment ago could change again without its time changing.
        if facts.st_size < LARGE or time.time() - facts.st_mtime < 5:
            return self._digest()
        known = hashlib.sha256(f"{local.resolve()}|{facts.st_size}|{facts.st_mtime_ns}".encode()).hexdigest()
        return entry("digests", known, lambda target: _write(target, self._digest())).read_text()

    def version(self) -> str:
        """What changes when the file does, without reading a remote one: its size and what its file system says of its
        content or its time."""
        if self.system.protocol == ("file", "local"):
            return self.sha256()
        with self._readable():
            facts = self.system.info(self.path)
        known = {name: facts[name] for name in sorted(facts) if name.lower().replace("-", "_") in _CHANGES}
        return hashlib.sha256(repr(known).encode()).hexdigest()

    def _digest(self) -> str:
        with self._readable():
            return _digest(Path(self.path))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Raises BadInput where the file cannot be read."""
        try:
            yield
        except OSError as error:
            raise BadInput(Problem(self.name, f"cannot be read: {error.strerror or error}")) from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def locate(given: str | Iterable[str], where: str, sha256: str | None = None) -> list[Located]:
    """The files that ``given`` means, those of a glob in the order of their names.

    where: the configuration key, e.g. ``data.train``. sha256: of a package address's archive.
    Raises BadInput with all problems: a missing file (and the nearest name), a glob that matches nothing, a
    folder, a file system that cannot be reached.
    """
    files: list[Located] = []
    problems: list[Problem] = []
    for text in [given] if isinstance(given, str) else given:
        try:
            files += _locate_package(text, where, sha256) if text.startswith(PREFIX) else _locate(text, where)
        except BadInput as bad:
            problems += bad.problems
    if problems:
        raise BadInput(problems)
    if not files:
        raise BadInput(
            Problem(where=where, what="the list of files is empty", allowed="a path, a glob or a list")
        )
    return files


def _locate_package(text: str, where: str, sha256: str | None) -> list[Located]:
    """A glob in a package address is matched inside of the package."""
    parts = PurePosixPath(text.removeprefix(PREFIX)).parts
    plain = next((at for at, part in enumerate(parts) if any(sign in part for sign in MAGIC)), len(parts))
    folder = fetch(PREFIX + "/".join(parts[:plain]), sha256, where)
    found = _locate("/".join((folder.as_posix(), *parts[plain:])), where, shown=text)
    return [Located(PurePosixPath(file.path).name, file.path, file.system) for file in found]


def _locate(text: str, where: str, shown: str = "") -> list[Located]:
    from fsspec.core import url_to_fs

    shown = shown or text
    try:
        system, path = url_to_fs(text)
        if system.isfile(path):
            return [Located(shown, path, system)]
        if system.isdir(path):
            what = f"{shown!r} is a folder"
            raise BadInput(
                Problem(
                    where=where, what=what, allowed=f"a file, or a glob such as {shown.rstrip('/')}/*.csv"
                )
            )
        is_glob = any(sign in text for sign in MAGIC)
        if is_glob:
            found = sorted(file for file in system.glob(path) if system.isfile(file))
            if found:
                return [Located(_as_given(file, text, system), file, system) for file in found]
            raise BadInput(
                Problem(
                    where=where, what=f"no file is matched by {shown!r}", allowed=_beside(system, path)[0]
                )
            )
        beside, close = _beside(system, path)
        raise BadInput(
            Problem(where=where, what=f"there is no file {shown!r}", allowed=beside, nearest=close)
        )
    except (ImportError, ValueError) as error:  # A file system whose package is missing, or unknown.
        raise BadInput(Problem(where=where, what=f"{shown!r} cannot be opened: {error}")) from error
    except OSError as error:
        raise BadInput(Problem(where=where, what=f"{shown!r} cannot be reached: {error}")) from error


def _as_given(path: str, text: str, system: Any) -> str:
    """A matched path as short as the glob was written."""
    if "://" in text:
        return str(system.unstrip_protocol(path))
    try:
        return path if Path(text).is_absolute() else Path(path).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path


def _beside(system: Any, path: str) -> tuple[str, str]:
    """What lies in the folder of ``path``, and the nearest of it."""
    folder = path.rpartition("/")[0]
    while any(sign in folder for sign in MAGIC):
        folder = folder.rpartition("/")[0]
    try:
        inside = [str(name).rstrip("/") for name in system.ls(folder, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        return f"a file (the folder {folder} does not exist)", ""
    names = sorted(PurePosixPath(name).name for name in inside)
    close = nearest(PurePosixPath(path).name, names)
    return f"in {folder or '/'}: {listing(names) or 'nothing'}", f"{folder}/{close}" if close else ""
