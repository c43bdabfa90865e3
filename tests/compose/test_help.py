import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.compose import help as text
from pipeline.compose import locations
from pipeline.errors import BadInput


def test_every_shipped_option_is_listed_with_its_description(here):
    shown = text.render("train", "python -m pipeline.train")
    flat = " ".join(shown.split())
    for group in locations.groups():
        for option, file in locations.options(group).items():
            first = next(line for line in file.read_text().splitlines() if not line.startswith("# @"))
            assert first.startswith("# "), f"{file} does not begin with a description"
            assert f"{option} {' '.join(first[2:].split())}" in flat, file


def test_root_keys_carry_their_comments(here):
    rows = text.root_keys()
    written = yaml.safe_load(locations.primary_file().read_text())
    assert list(rows) == [key for key in written if key not in ("defaults", "hydra")]
    assert all(rows.values())


def test_defaults_are_marked_and_own_options_listed(here, write):
    write("conf/optimizer/lion.yaml", "# @package _global_\n# Lion: sign momentum.\nlr: 1\n")
    lines = text.render("train", "x").splitlines()
    assert any(line.strip().split() == ["lion", "Lion:", "sign", "momentum."] for line in lines)
    assert any(line.strip().startswith("* adamw") for line in lines)
    assert any(line.strip().startswith("* wandb") for line in lines)


@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_lines_fit_the_terminal(here, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    body = text.render("train", "x").split("Examples")[0]
    assert max(map(len, body.splitlines())) <= int(columns)


def test_keys_of_an_option(here):
    shown = text.render("train", "x", topics=["trainer=default"])
    assert "trainer.batch_size: 32" in shown and "Examples of one optimizer step" in " ".join(shown.split())


def test_an_unknown_topic_is_named(here):
    with pytest.raises(BadInput, match="did you mean: gpu"):
        text.render("train", "x", topics=["hardware=gp"])


def test_help_needs_neither_hydra_nor_pydantic(here):
    probe = (
        "import sys\n"
        "from pipeline.compose.command_line import parse\n"
        "try:\n    parse(['--help'], command='train')\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('hydra', 'omegaconf', 'pydantic', 'yaml', 'rich') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, cwd=here)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "usage:" in done.stdout
