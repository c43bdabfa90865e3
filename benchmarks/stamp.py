"""Where a recorded number comes from: date, commit, versions and machine."""

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def stamp() -> dict[str, Any]:
    """Beside what a run's manifest records: processor model, and the packages of the other side."""
    from pipeline.runs.environment import environment, version_of

    known = environment()
    packages = {**known["packages"], **{name: version_of(name) for name in ("accelerate", "scikit-learn")}}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": known["commit"],
        "python": known["python"],
        "packages": packages,
        "machine": {"processor": _processor(), "cpus": known["machine"]["cpus"]},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def origin(stamped: dict[str, Any]) -> str:
    """A stamp in one line, for tables."""
    packages = ", ".join(f"{name} {known}" for name, known in stamped["packages"].items() if known)
    machine = stamped["machine"]
    commit, changes, _ = (stamped["commit"] or "unknown").partition("+changes")
    return (
        f"{stamped['date']}, commit {commit[:12]}{changes}, {machine['processor']}, {machine['cpus']} CPUs, "
        f"Python {stamped['python']}, {packages}"
    )
