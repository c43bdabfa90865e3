"""Which archives of a package the configured indexes offer, and the download of the one that is meant."""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pypi_simple import (
    DistributionPackage,
    NoSuchProjectError,
    ProgressTracker,
    PyPISimple,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)
from requests import RequestException

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.fetch.archives import is_archive
from pipeline.fetch.pip_config import read
from pipeline.fetch.session import TIMEOUT, index_session, public, why

if TYPE_CHECKING:
    from rich.progress import TaskID

ATTEMPTS = 3
_UNREADABLE = (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError)
# Bytes from which on a download is worth a progress bar.
LARGE = 4_000_000


@dataclass(frozen=True)
class Offer:
    """An archive that an index has."""

    client: PyPISimple
    package: DistributionPackage

    @property
    def sha256(self) -> str | None:
        """As the index publishes it."""
        return self.package.digests.get("sha256")


def offers(project: str, version: str, where: str) -> list[Offer]:
    """Archives of ``project`` in ``version``, wheels first, from all indexes that pip is configured with.

    Raises BadInput where no index has it, saying which could not be asked.
    """
    found: list[Offer] = []
    versions: dict[Version, str] = {}
    silent: list[str] = []
    config = read()
    for index in config.indexes:
        session, endpoint = index_session(config, index)
        client = PyPISimple(endpoint, session=session)
        try:
            packages = client.get_project_page(project, timeout=TIMEOUT).packages
        except NoSuchProjectError:
            continue
        except (
            RequestException,
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
            ValueError,
        ) as error:
            silent.append(f"{public(index)}: {why(error)}")
            continue
        for package in packages:
            parsed = _version(package.version)
            if parsed is not None and is_archive(package.filename):
                versions[parsed] = str(package.version)
                if parsed == _version(version):
                    found.append(Offer(client, package))
    if not found:
        raise BadInput(_nothing_found(project, version, versions, silent, config.indexes, where))
    return sorted(found, key=lambda offer: not offer.package.filename.endswith(".whl"))


def download(project: str, version: str, sha256: str, path: Path, *, key: str, where: str) -> str:
    """Write to ``path`` the archive of the package whose sha256 is given, and return the archive's name.

    Where the index publishes digests they tell which archive it is; else the wheels are tried before the
    source archives. What arrives is checked in any case.

    key: the configuration key that holds the digest. Raises BadInput.
    """
    offered = offers(project, version, where)
    likely = [offer for offer in offered if offer.sha256 == sha256]
    got: dict[str, str] = {}
    for offer in likely or [offer for offer in offered if offer.sha256 is None]:
        got[offer.package.filename] = _download(offer, path, where)
        if got[offer.package.filename] == sha256:
            return offer.package.filename
    published = {offer.package.filename: offer.sha256 for offer in offered if offer.sha256}
    raise BadInput(
        Problem(
            where=key,
            what=f"no archive of {project} {version} has the expected sha256 {sha256}",
            allowed="got " + listing(f"{digest} ({name})" for name, digest in (published | got).items()),
        )
    )


def digest(offer: Offer, where: str) -> str:
    """The sha256 of what is offered: published, or computed from a download."""
    if offer.sha256:
        return offer.sha256
    with tempfile.TemporaryDirectory() as folder:
        return _download(offer, Path(folder) / "archive", where)


def _download(offer: Offer, path: Path, where: str) -> str:
    """The sha256 of what was downloaded to ``path``."""
    name = offer.package.filename
    for attempt in range(ATTEMPTS):
        try:
            offer.client.download_package(
                offer.package, path, verify=False, progress=_progress(name), timeout=TIMEOUT
            )
        except RequestException as error:
            if attempt == ATTEMPTS - 1:
                problem = Problem(
                    where=where,
                    what=f"{name} could not be downloaded from {public(offer.client.endpoint)}: {why(error)}",
                    allowed=_WITHOUT_NETWORK,
                )
                raise BadInput(problem) from error
            time.sleep(2.0**attempt)
        else:
            break
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_WITHOUT_NETWORK = (
    "an index that can be reached: pip's own settings hold (PIP_INDEX_URL, or `pip config set "
    "global.index-url URL`); or a cache folder with the package in it, brought from another machine "
    "(HYDRATUNE_CACHE)"
)


def _nothing_found(
    project: str,
    version: str,
    versions: dict[Version, str],
    silent: list[str],
    indexes: tuple[str, ...],
    where: str,
) -> Problem:
    name = canonicalize_name(project)
    if versions:
        known = [versions[each] for each in sorted(versions, reverse=True)]
        return Problem(
            where=where,
            what=f"the package {name} has no version {version}" + "".join(f"; {index}" for index in silent),
            allowed=listing(known),
            nearest=nearest(version, known),
        )
    if silent:
        what = f"the package {name} {version} is not in the cache and no index has it; " + "; ".join(silent)
        return Problem(where=where, what=what, allowed=_WITHOUT_NETWORK)
    asked = listing(public(index) for index in indexes) or "none: pip is configured with no-index"
    return Problem(
        where=where, what=f"no index has a package {name} (asked: {asked})", allowed=_WITHOUT_NETWORK
    )


def _version(text: str | None) -> Version | None:
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _progress(name: str) -> Callable[[int | None], ProgressTracker]:
    """A progress bar on the terminal, if there is one and the file is large."""
    return lambda size: _Bar(name, size, visible=sys.stderr.isatty() and (size is None or size > LARGE))


class _Bar:
    """rich's progress bar as pypi_simple wants it."""

    def __init__(self, name: str, size: int | None, visible: bool) -> None:
        self.name, self.size, self.visible = name, size, visible

    def __enter__(self) -> "_Bar":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self.bar: Progress = Progress(
            *columns, console=Console(stderr=True), transient=True, disable=not self.visible
        )
        self.bar.start()
        self.task: TaskID = self.bar.add_task(f"Downloading {self.name}", total=self.size)
        return self

    def update(self, increment: int) -> None:
        self.bar.advance(self.task, increment)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self.bar.stop()
