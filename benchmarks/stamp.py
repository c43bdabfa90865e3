"""Where a recorded number comes from: date, commit, versions and machine."""

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def stamp() -> dict[str, Any]:
    """Beside what a run's manifest records: processor model, GPU, and the packages of the other side."""
    import torch

    from pipeline.runs.environment import environment, version_of

    known = environment()
    packages = {**known["packages"], **{name: version_of(name) for name in ("accelerate", "scikit-learn")}}
    machine = {"processor": _processor(), "cpus": known["machine"]["cpus"]}
    if torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": known["commit"],
        "python": known["python"],
        "packages": packages,
        "machine": machine,
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
    gpu = f"{machine['gpu']}, " if "gpu" in machine else ""
    commit, changes, _ = (stamped["commit"] or "unknown").partition("+changes")
    return (
        f"{stamped['date']}, commit {commit[:12]}{changes}, {gpu}{machine['processor']}, {machine['cpus']} CPUs, "
        f"Python {stamped['python']}, {packages}"
    )
