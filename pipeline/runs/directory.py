"""A run's directory: one frozen configuration, what came of it, and the state it is in."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problem, nearest

FORMAT = 1

# created -> running -> trained -> finished; failed and interrupted can be resumed. A search ends a run as pruned.
# That training is over stays in the manifest as `trained`, whatever the state becomes.
CREATED, RUNNING, TRAINED, FINISHED = "created", "running", "trained", "finished"
FAILED, INTERRUPTED, PRUNED = "failed", "interrupted", "pruned"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new and nothing between."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True)
class RunDirectory:
    """Paths and state of one run. All state is in the directory: nothing is inferred from a process."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest checkpoint to resume from."""
        return self.checkpoints / "last.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        """Weights of the best validation score."""
        return self.checkpoints / "best.ckpt"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def weights(self) -> Path:
        """Where in `model` transformers finds configuration, weights and tokenizer: in `base`, where an adapter that
        could not be merged lies beside them."""
        return self.model / "base" if (self.model / "base").is_dir() else self.model

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def manifest(self) -> dict[str, Any]:
        content = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise BadInput(
                Problem(
                    str(self.folder),
                    f"was written in format {content['format']}; this version reads up to {FORMAT}",
                    "a newer hydratune",
                )
            )
        return content

    def update(self, **changes: Any) -> dict[str, Any]:
        """Change keys of the manifest, whole."""
        content = {**self.manifest(), **changes}
        write_whole(self.folder / "manifest.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return content

    @property
    def state(self) -> str:
        return self.manifest()["state"]

    @property
    def is_trained(self) -> bool:
        """Whether only testing and saving are left. Runs of before that was written down say it by their state."""
        manifest = self.manifest()
        over = "trained" in manifest or manifest["state"] == TRAINED
        return over and self.best_checkpoint.exists()

    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds; empty before the run finished."""
        path = self.folder / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hold the run for this process. The lock ends with the process, however that ends.

        Raises BadInput when another process works on the run.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BadInput(
                Problem(
                    str(self.folder), "another process works on this run", "wait for it, or stop it first"
                )
            ) from None
        try:
            yield
        finally:
            lock.release()

    def is_worked_on(self) -> bool:
        """Whether a process holds the run now."""
        try:
            with self.working():
                return False
        except BadInput:
            return True


def open_run(path: str, key: str = "run") -> RunDirectory:
    """The run directory at `path`. Raises BadInput where there is none."""
    folder = Path(path)
    if (folder / "manifest.json").is_file():
        return RunDirectory(folder.resolve())
    if not folder.is_dir():
        near = (
            nearest(folder.name, [p.name for p in folder.parent.iterdir()]) if folder.parent.is_dir() else ""
        )
        raise BadInput(Problem(key, f"there is no folder {path}", "a run directory", near))
    raise BadInput(Problem(key, f"{path} is not a run directory: it has no manifest.json", "a run directory"))


def create(parent: Path, name: str, files: dict[str, str], manifest: dict[str, Any]) -> RunDirectory:
    """A new run directory `parent/name`, complete when it appears: built beside, then renamed.

    A name that is taken gets a number. Raises BadInput where nothing can be written.
    """
    temporary = parent / f".{name}.{secrets.token_hex(4)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    except OSError as error:
        what = f"no run directory can be made in {parent}: {error.strerror}"
        raise BadInput(Problem("paths.outputs", what, "a folder that may be written to")) from error
    for file, text in files.items():
        (temporary / file).parent.mkdir(exist_ok=True)
        (temporary / file).write_text(text, encoding="utf-8")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"format": FORMAT, "state": CREATED, "created": now, "starts": 0, **manifest}
    (temporary / "manifest.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for number in range(1, 1_000):
        target = parent / (name if number == 1 else f"{name}-{number}")
        try:
            temporary.rename(target)  # fails where a directory with content is in the way
        except OSError:
            continue
        return RunDirectory(target.resolve())
    raise RuntimeError(f"{parent / name} and its numbered names are all taken")


def unfinished(parent: Path, run_id: str) -> RunDirectory | None:
    """The newest run below `parent` with this id that has not finished and that nobody works on."""
    runs = _newest_first(parent, run_id)
    return next((run for run in runs if run.state != FINISHED and not run.is_worked_on()), None)


def finished(parent: Path, run_id: str) -> RunDirectory | None:
    """The newest run below `parent` with this id that has finished."""
    return next((run for run in _newest_first(parent, run_id) if run.state == FINISHED), None)


def _newest_first(parent: Path, run_id: str) -> Iterator[RunDirectory]:
    # Names with a dot in front are of directories that are not complete yet.
    for path in sorted(parent.glob(f"[!.]*-{run_id}*/manifest.json"), reverse=True):
        yield RunDirectory(path.parent.resolve())
