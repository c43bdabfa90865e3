"""What a command imports before the configuration is known to be good."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import commands

REPOSITORY = Path(__file__).parents[2]
HEAVY = [
    "torch",
    "transformers",
    "datasets",
    "lightning",
    "wandb",
    "peft",
    "pandas",
    "sklearn",
    "pyarrow",
    "torchmetrics",
]


def imported(code: str, folder: Path) -> set[str]:
    """Which of the modules that take long are there after ``code`` has run in a fresh interpreter."""
    watched = [*HEAVY, "hydra", "pydantic"]
    lines = [
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})",
        code,
        f"print('imported:', *(name for name in {watched!r} if name in sys.modules))",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "imported:" in done.stdout, done.stderr
    return set(done.stdout.split("imported:")[1].split())


@pytest.mark.parametrize("command", commands())
def test_importing_a_command_is_light(command, tmp_path):
    assert imported(f"import pipeline.{command}", tmp_path) == set()


@pytest.mark.parametrize("command", ["train", "plan", "prepare"])
@pytest.mark.parametrize(
    "arguments", [["--cfg", "job"], ["optimzer=adamw"], ["nonsense"], ["-m", "seed=x,y"]]
)
def test_errors_come_before_anything_heavy(command, arguments, tmp_path):
    lines = [
        f"sys.argv = ['x', *{arguments!r}]",
        "from pipeline.errors import BadInput",
        f"from pipeline.{command} import main",
        "try:\n    main()\nexcept (BadInput, SystemExit):\n    pass",
    ]
    code = "\n".join(lines)
    assert imported(code, tmp_path) & set(HEAVY) == set()


def component_modules() -> list[str]:
    files = [file for file in (REPOSITORY / "pipeline").rglob("*.py") if "\n@component\n" in file.read_text()]
    return sorted(".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files)


def test_modules_with_components_are_light(tmp_path):
    modules = component_modules()
    assert len(modules) > 15
    assert imported("\n".join(f"import {module}" for module in modules), tmp_path) & set(HEAVY) == set()
