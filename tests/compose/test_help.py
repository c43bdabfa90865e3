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


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_help_of_a_command_that_uses_a_finished_run(here, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "100")
    shown = text.render(command, f"python -m pipeline.{command}")
    assert "run=DIR" in shown and "data.columns." in shown and " hardware\n" in shown and "Examples" in shown
    assert ("input=FILE" in shown) == (command == "predict") and "output=FILE" in shown
    for word in ("strategy", "optimizer", "scheduler", "debug", "experiment", "seed", "--multirun", "--cfg"):
        assert word not in shown
    assert max(map(len, shown.split("Examples")[0].splitlines())) <= 100


def test_help_of_predict_names_every_format(here):
    from pipeline.reporting.prediction_files import _WRITERS
    from pipeline.sources.reading.tables import FORMATS

    words = text.USING["predict"][0]
    assert all(f" {name}" in words["input=FILE"] for name in FORMATS)
    assert all(f" {ending}" in words["output=FILE"] for ending in _WRITERS)


def test_help_lists_what_the_commands_take(here):
    from pipeline.compose.using import CHANGEABLE

    for command, (words, groups, _) in text.USING.items():
        assert {word.partition("=")[0].partition(".")[0] for word in words} | {
            group.partition("/")[0] for group in groups
        } == {
            "run",
            *CHANGEABLE[command],
        }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lr", "optimizer.lr"),
        ("num_train_epochs", "trainer.max_epochs"),
        ("per-device-train-batch-size", "trainer.batch_size"),
        ("learning_rate", "optimizer.lr"),
        ("optimizer.lr", "optimizer.lr"),
        ("seed", "seed"),
        ("frobnicate", ""),
    ],
)
def test_the_key_that_other_programs_have_a_flag_for(here, name, key):
    assert text.nearest_key(name) == key


def test_help_needs_neither_hydra_nor_pydantic(here):
    probe = (
        "import sys\n"
        "from pipeline.compose.command_line import parse\n"
        "for command in ('train', 'predict', 'evaluate'):\n"
        "    try:\n        parse(['--help'], command=command)\n    except SystemExit:\n        pass\n"
        "print([m for m in ('hydra', 'omegaconf', 'pydantic', 'yaml', 'rich') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, cwd=here)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert done.stdout.count("usage:") == 3
