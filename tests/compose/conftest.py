"""A user's own folder, and a tiny command to run in it."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

COMMAND = '''
"""A tiny command: composes, checks, and prints the name of the run."""
import sys
from pipeline.compose.command_line import check, outcome, parse

def main() -> None:
    call = parse(sys.argv[1:], command="train")
    (stage,) = check(call)
    spec = stage.spec
    heavy = {"torch", "transformers", "datasets", "lightning"}
    heavy |= {"wandb", "peft", "pandas", "sklearn", "pyarrow", "torchmetrics"}
    print(spec.name, sorted(heavy & set(sys.modules)))

if __name__ == "__main__":
    outcome(main)
'''

Tiny = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's, entered, importable, and trusted for nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("HYDRATUNE_TRUST", raising=False)
    return tmp_path


@pytest.fixture
def write(here: Path) -> Callable[[str, str], Path]:
    """Write a file of the user's."""

    def write(path: str, text: str) -> Path:
        file = here / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def tiny(here: Path) -> Tiny:
    """Run the tiny command in the user's folder."""
    (here / "tiny.py").write_text(COMMAND, encoding="utf-8")

    def run(*args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "WANDB_MODE": "offline", **(env or {})}
        return subprocess.run(
            [sys.executable, "-m", "tiny", *args],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
