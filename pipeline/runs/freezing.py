"""From a composed configuration to a frozen run: its id, its directory, what may change when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.runs import directory
from pipeline.runs.directory import RunDirectory
from pipeline.runs.environment import environment
from pipeline.runs.identity import canonical, digest

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared

# How long a run trains may change when it goes on; nothing else that its numbers depend on may.
BUDGET = ("max_epochs", "max_steps", "max_tokens", "max_minutes")
SKIPPED = "skipped_rows.jsonl"
_WITHOUT_EFFECT = ("profiler", "log_every")


def result_relevant(spec: RunSpec, prepared: Prepared) -> dict[str, Any]:
    """Everything that the numbers of a run depend on, as plain JSON."""
    trainer = canonical(spec.trainer)
    for key in _WITHOUT_EFFECT:
        trainer.pop(key)
    return {
        "task": canonical(spec.task),
        "model": {**canonical(spec.model), "fingerprint": prepared.checkpoint["fingerprint"]},
        "data": {**canonical(spec.data), "fingerprint": prepared.data_fingerprint},
        "strategy": canonical(spec.strategy),
        "optimizer": canonical(spec.optimizer),
        "scheduler": canonical(spec.scheduler),
        "trainer": trainer,
        "precision": spec.hardware.precision,
        "callbacks": {
            name: canonical(callback)
            for name, callback in sorted(spec.callbacks.items())
            if getattr(callback, "affects_result", True)
        },
        "seed": spec.seed,
    }


def run_id(spec: RunSpec, prepared: Prepared) -> str:
    """Ten hexadecimal digits: equal for calls that must give equal numbers."""
    return digest(result_relevant(spec, prepared), 10)


def freeze(
    spec: RunSpec, prepared: Prepared, files: Mapping[str, str], *, parent: Path | None = None, **facts: Any
) -> RunDirectory:
    """A new run directory with `files` (config.yaml, overrides.yaml) and a manifest.

    It is `parent`/<id> in a sweep, else <outputs>/<task>/<name>/<date_time>-<id>.
    """
    identity = run_id(spec, prepared)
    if parent is None:
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        parent, name = home(spec), f"{stamp}-{identity}"
    else:
        name = identity
    manifest = {
        "id": identity,
        "name": spec.name,
        "task": spec.choices["task"],
        "choices": dict(spec.choices),
        "environment": environment(),
        "prepared": canonical(prepared),
        "result_relevant": result_relevant(spec, prepared),
        **_best_of(spec),
        **facts,
    }
    return directory.create(parent, name, {**files, **_skipped(prepared)}, manifest)


def _best_of(spec: RunSpec) -> dict[str, str]:
    """The sweep whose winner's words the run took; they are in its overrides."""
    return {"best_of": str(Path(spec.sweep.best).resolve())} if spec.sweep.best else {}


def _skipped(prepared: Prepared) -> dict[str, str]:
    """The list of rows that the run does without, for its logs."""
    listed = Path(prepared.folder) / SKIPPED
    return {f"logs/{SKIPPED}": listed.read_text(encoding="utf-8")} if prepared.skipped else {}


def home(spec: RunSpec) -> Path:
    """The folder that holds the runs of this task and name."""
    return Path(spec.paths.outputs) / str(spec.choices["task"]) / spec.name


def differences(before: Any, after: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for name in sorted(before.keys() | after.keys()):
            found |= differences(before.get(name), after.get(name), f"{key}.{name}" if key else name)
        return found
    return {} if before == after else {key: (before, after)}


def check_resumable(run: RunDirectory, spec: RunSpec, prepared: Prepared) -> None:
    """Raises BadInput where going on with `spec` would change what the frozen run computes."""
    before, after = run.manifest()["result_relevant"], result_relevant(spec, prepared)
    allowed = {f"trainer.{key}" for key in BUDGET}
    problems = [
        Problem(
            key,
            f"is {new!r}, but the run in {run.folder} was frozen with {old!r}",
            "when a run goes on only its length may change: " + ", ".join(sorted(allowed)),
        )
        for key, (old, new) in differences(before, after).items()
        if key not in allowed
    ]
    if problems:
        raise BadInput(problems)


def check_length(run: RunDirectory, frozen: RunSpec, spec: RunSpec) -> None:
    """Raises BadInput where training is over and `spec` asks for another length than `frozen`, the run's own."""
    if not run.is_trained:
        return
    lengths = {key: (getattr(frozen.trainer, key), getattr(spec.trainer, key)) for key in BUDGET}
    problems = [
        Problem(
            f"trainer.{key}",
            f"is {new!r}, but the training of {run.folder} is over, with {old!r}: only testing and saving are left",
            f"{key}={'null' if old is None else old}; once this run has finished, a longer one "
            f"starts from model.checkpoint={run.folder}",
        )
        for key, (old, new) in lengths.items()
        if old != new
    ]
    if problems:
        raise BadInput(problems)
