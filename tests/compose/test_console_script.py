"""``hydratune COMMAND``, the console script of ``pipeline/__main__.py``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def hydratune(*args, cwd, **env):
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.remove(''); from pipeline.__main__ import main; main()",
        *args,
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "WANDB_MODE": "offline", **env}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_commands_are_listed(tmp_path):
    done = hydratune(cwd=tmp_path)
    assert done.returncode == 0 and "\n  train " in done.stdout and "errors" not in done.stdout


def test_an_unknown_command(tmp_path):
    done = hydratune("trian", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean: train" in done.stderr


def test_help_names_the_program(tmp_path):
    done = hydratune("train", "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("usage: hydratune train ")


def test_modules_where_the_user_stands_are_importable(tmp_path):
    (tmp_path / "my_strategies.py").write_text(
        "from pipeline.component import component\nfrom pipeline.strategies.base import Strategy\n"
        "@component\nclass Half(Strategy):\n    share: float = 0.5\n"
    )
    (tmp_path / "conf/strategy").mkdir(parents=True)
    (tmp_path / "conf/strategy/half.yaml").write_text(
        "# Half.\n_target_: my_strategies.Half\nlearning_rate: 0.1\n"
    )
    args = ["train", "strategy=half", "--trust", "my_strategies", "--cfg", "job"]
    done = hydratune(*args, cwd=tmp_path)
    assert done.returncode == 0 and "my_strategies.Half" in done.stdout, done.stderr
    assert (
        hydratune(*[a for a in args if a not in ("--trust", "my_strategies")], cwd=tmp_path).returncode == 2
    )


@pytest.mark.parametrize(
    ("line", "word"), [("hydratune tr", "train"), ("hydratune train strategy=", "strategy=lora")]
)
def test_completion(tmp_path, line, word):
    done = hydratune("-sc", "query=bash", cwd=tmp_path, COMP_LINE=line)
    assert word in done.stdout.split(), done.stderr
