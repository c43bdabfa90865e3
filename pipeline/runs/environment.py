"""What a run was made with: versions, machine and the commit of the code."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("hydratune", "torch", "lightning", "transformers", "peft", "datasets", "torchmetrics", "numpy")
# What a cluster that does not bind processes to cores has granted to this one.
GRANTED_CPUS = "HYDRATUNE_CPUS"


@cache
def environment() -> dict[str, Any]:
    """Versions and machine, as written to the manifest. Reads metadata only; nothing heavy is imported."""
    return {
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in _PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cpus": usable_cpus(),
        },
        "commit": _commit(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else [],
    }


def version_of(name: str) -> str | None:
    """Of an installed package; None where it is missing, or is no more than a folder on the path."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def usable_cpus() -> int:
    """Cores that this process may run on: in a job of a cluster fewer than the machine has."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = [int(os.environ[name]) for name in (GRANTED_CPUS, "SLURM_CPUS_PER_TASK") if name in os.environ]
    return min([there, *granted])


def _commit() -> str | None:
    """The commit of a checkout, with a mark when files differ from it; None in an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
