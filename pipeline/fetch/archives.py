"""Unpacking archives from elsewhere: only plain files, and only below the folder they are unpacked into."""

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

ZIP = (".zip", ".whl")
TAR = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")


class UnsafeArchiveError(Exception):
    """An archive with a member that leads outside of it. The message names the member."""


def is_archive(name: str) -> bool:
    return name.lower().endswith((*ZIP, *TAR))


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack ``archive``, whose kind is read from the end of ``name``, into the new folder ``folder``.

    No link is ever made: a link to another member becomes a copy of it. That leaves nothing for the attacks
    that write through a link, whatever the version of ``tarfile``.

    Raises UnsafeArchiveError for a member or a link leading outside, or one that is no file (a device, …);
    OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error or EOFError where the archive is broken.
    """
    folder.mkdir(parents=True)
    members = _zip_members if name.lower().endswith(ZIP) else _tar_members
    for member, content in members(archive):
        target = folder.joinpath(*_inside(member))
        target.parent.mkdir(parents=True, exist_ok=True)
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)


def _inside(member: str) -> tuple[str, ...]:
    """The parts of a member's path, none of which leaves the archive, on any operating system."""
    windows = PureWindowsPath(member)
    if member.startswith("/") or windows.drive or windows.root or ".." in windows.parts:
        raise UnsafeArchiveError(f"{member!r} leads outside of it")
    return PurePosixPath(member).parts


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    # zipfile never makes a link: a link's member is read as a file that holds the target's name.
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            if not member.is_dir():
                yield member.filename, file.open(member)


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as file:
        for member in file:
            if member.isdir():
                continue
            if not (member.isfile() or member.issym() or member.islnk()):
                raise UnsafeArchiveError(f"{member.name!r} is neither a file nor a folder")
            try:
                content = file.extractfile(member)
            except KeyError:
                raise UnsafeArchiveError(
                    f"{member.name!r} is a link to {member.linkname!r}, outside of it"
                ) from None
            # None: a link to a folder; its files are there under the folder's own name.
            if content is not None:
                yield member.name, content
