"""Code in a process of its own: what it imports and what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_python(code: str, environment: dict[str, str] | None = None) -> str:
    """Standard output of ``code``, which can import the package wherever the test stands."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**(os.environ if environment is None else environment), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def modules_after(code: str) -> set[str]:
    """Names of the top-level modules that are loaded once ``code`` has run."""
    program = (
        f"{code}\nimport json, sys\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    return set(json.loads(run_python(program)))
