import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import BadInput
from pipeline.training.loggers.wandb import Wandb
from pipeline.training.loggers.wandb_record import at_most, last_steps
from tests.training.facts import facts
from tests.training.loggers.wandb_records import find

ROOT = Path(__file__).parents[3]
MATRIX = [["true", "a", "b"], ["a", 3, 1], ["b", 0, 4]]


@pytest.fixture(autouse=True)
def stranger(tmp_path, monkeypatch):
    """A home without a login."""
    for name in list(os.environ):
        if name.startswith("WANDB_") or name == "NETRC":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_mode(stranger, monkeypatch):
    assert Wandb().chosen_mode() == "offline"
    (stranger / ".netrc").write_text("machine api.wandb.ai login user password " + "a" * 40)
    assert Wandb().chosen_mode() == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert Wandb().chosen_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    assert Wandb().chosen_mode() == "online"
    assert Wandb(mode="offline").chosen_mode() == "offline"
    config = stranger / ".config/wandb"
    config.mkdir(parents=True)
    (config / "settings").write_text("[default]\nmode = offline\n")
    assert Wandb().chosen_mode() == "offline"
    for said, meant in [("disabled", "disabled"), ("dryrun", "offline"), ("online", "online")]:
        monkeypatch.setenv("WANDB_MODE", said)
        assert Wandb().chosen_mode() == meant


def test_broken_settings_and_netrc_count_as_none(stranger):
    (stranger / ".netrc").write_text("machine machine password")
    (stranger / "wandb").mkdir()
    (stranger / "wandb/settings").write_text("no section")
    assert Wandb().chosen_mode() == "offline"


def test_disabled_is_no_logger_and_online_needs_a_login(run, monkeypatch):
    assert Wandb(mode="disabled").build(facts(run)) is None
    Wandb().check()
    with pytest.raises(BadInput, match="nobody is logged in") as error:
        Wandb(mode="online").check()
    assert error.value.problems[0].where == "logger.wandb.mode"
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    Wandb(mode="online").check()


def test_an_offline_run_holds_everything(run, tmp_path):
    (run / "model").mkdir()
    (run / "model/model.safetensors").write_bytes(b"weights")
    (run / "predictions").mkdir()
    (run / "predictions/test.jsonl").write_text("{}\n")
    (run / "config.yaml").write_text("hub:\n  token: planted-1\nurl: https://me:planted-2@host/x\nseed: 0\n")
    (run / "overrides.yaml").write_text("- model.token=planted-3\n")
    (run / "manifest.json").write_text(json.dumps({"environment": {"API_KEY": "planted-4"}, "id": "x"}))
    (run / "README.md").write_text("# Model card\n")
    (run / "logs/csv").mkdir(parents=True)
    (run / "logs/csv/metrics.csv").write_text("step,name,value\n")

    logger = Wandb(upload_weights=True).build(facts(run, group="a-sweep"))
    logger.log_hyperparams(
        {"seed": 0, "hub": {"token": "planted-5", "pad_token": "[PAD]"}, "parameters": {"total": 7}}
    )
    for step in (10, 20):
        logger.log_metrics({"lr": 0.1}, step)
        logger.log_metrics({"train/loss": 1 / step, "time/steps_per_second": 3.5}, step)
    logger.log_metrics({"val/accuracy": 0.75, "epoch": 1.0}, 20)
    logger.finalize("success")  # By Lightning after the fit: the run is not over.
    logger.log_metrics({"test/accuracy": 0.5}, 20)
    logger.log_table("test/confusion_matrix", MATRIX, 20)
    logger.log_files(run)
    logger.finalize("success")

    (saved,) = find(run)
    assert saved.run.project == "hydratune" and saved.run.display_name == "bert-lora"
    assert saved.run.run_id.startswith("3f2a9c-")
    assert saved.run.run_group == "a-sweep" and list(saved.run.tags) == ["first", "nightly"]
    assert saved.config["seed"] == 0 and saved.config["parameters"] == {"total": 7}
    assert saved.config["hub"] == {"token": "***", "pad_token": "[PAD]"}
    assert saved.curve("train/loss") == [(10, 0.1), (20, 0.05)]
    assert saved.curve("lr") == [(10, 0.1), (20, 0.1)]
    assert saved.curve("val/accuracy") == [(20, 0.75)] and saved.curve("test/accuracy") == [(20, 0.5)]
    assert saved.curve("time/steps_per_second") == [(10, 3.5), (20, 3.5)]
    steps = {record.metric.glob_name: record.metric for record in saved.records if record.HasField("metric")}
    assert steps["*"].step_metric == "trainer/global_step" or steps["*"].step_metric_index > 0
    assert saved.exit_codes == [0]

    (table,) = run.rglob("confusion_matrix_[0-9]*.table.json")
    assert json.loads(table.read_text()) == {"columns": MATRIX[0], "data": MATRIX[1:]}
    (plot,) = run.rglob("confusion_matrix_plot*.table.json")
    assert ["b", "a", 0] in json.loads(plot.read_text())["data"]

    files = {entry.path: entry for entry in saved.artifacts[f"{saved.run.run_id}-files"].manifest.contents}
    assert sorted(files) == [
        *("README.md", "config.yaml", "logs/csv/metrics.csv", "manifest.json"),
        *("model/model.safetensors", "overrides.yaml"),
    ]
    contents = "".join(Path(entry.local_path).read_text() for entry in files.values())
    assert "# Model card" in contents and "seed: 0" in contents and "planted" not in contents
    written = [
        path for folder in ("run/logs", "home") for path in (tmp_path / folder).rglob("*") if path.is_file()
    ]
    assert len(written) > 8
    assert [path for path in written if b"planted" in path.read_bytes()] == []


def log_steps(logger, first, last):
    for step in range(first, last + 1):
        logger.log_metrics({"lr": 0.1}, step)
        logger.log_metrics({"train/loss": float(step)}, step)


def test_segments_share_a_group_and_have_each_step_once(run):
    logger = Wandb().build(facts(run))
    log_steps(logger, 1, 6)
    logger.finalize("failed")  # Cut off; the last checkpoint was at step 4.
    logger.log_metrics({"train/loss": 0.0}, 7)  # Too late, and no error.
    again = Wandb().build(facts(run, segment=1))
    log_steps(again, 5, 9)
    again.log_metrics({"val/accuracy": 0.75}, 6)  # Was never logged for this step.
    again.log_table("val/confusion_matrix", MATRIX, 6)
    again.log_files(run)
    again.finalize("success")

    first, second = find(run)
    assert first.run.run_group == second.run.run_group == first.run.run_id
    assert second.run.run_id == f"{first.run.run_id}-1"
    assert first.curve("train/loss") + second.curve("train/loss") == [(step, step) for step in range(1, 10)]
    assert first.curve("lr") + second.curve("lr") == [(step, 0.1) for step in range(1, 10)]
    assert second.curve("val/accuracy") == [(6, 0.75)]
    assert first.exit_codes == [1] and second.exit_codes == [0]
    assert last_steps(run / "logs/wandb", "offline-run-*", "trainer/global_step")["val/confusion_matrix"] == 6


def test_what_the_server_never_got_is_logged_again():
    assert at_most({"train/loss": 30, "val/accuracy": 20}, 25) == {"train/loss": 25, "val/accuracy": 20}


def test_runs_of_one_process_and_of_one_configuration_are_apart(tmp_path):
    import wandb

    loggers = [Wandb().build(facts(tmp_path / name)) for name in ("one", "two")]
    for number, logger in enumerate(loggers):
        logger.log_hyperparams({"number": number})
    for logger in loggers:
        logger.log_metrics({"train/loss": 1.0}, 1)
        logger.log_files(tmp_path)
        logger.finalize("success")
    saved = [find(tmp_path / name) for name in ("one", "two")]
    assert [len(runs) for runs in saved] == [1, 1]
    assert [runs[0].config["number"] for runs in saved] == [0, 1]
    assert saved[0][0].run.run_id != saved[1][0].run.run_id
    assert wandb.run is None


def test_logging_leaves_the_random_states_alone(run):
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    logger = Wandb().build(facts(run))
    logger.log_hyperparams({"seed": 0})
    logger.log_metrics({"train/loss": 1.0}, 1)
    logger.log_table("test/confusion_matrix", MATRIX, 1)
    logger.log_files(run)
    logger.finalize("success")
    assert states() == before


def test_offline_with_one_line_when_the_server_cannot_be_reached(run, monkeypatch, caplog, capfd):
    key = "0123456789abcdef" * 2 + "01234567"
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("pipeline.training.loggers.wandb_run.START", 2)
    logger = Wandb().build(facts(run))
    started = time.monotonic()
    logger.log_metrics({"train/loss": 1.0}, 1)
    assert time.monotonic() - started < 30
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("pipeline")]
    assert line.startswith("W&B: offline") and "\n" not in line
    logger.log_files(run)
    logger.finalize("success")
    saved = [found for found in find(run) if found.path.parent.name.startswith("offline")]
    assert [found.curve("train/loss") for found in saved] == [[(1, 1.0)]]
    assert [path for path in run.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []


KILLED = """
    import os, pathlib, sys, time
    from pipeline.training.loggers.wandb import Wandb
    from tests.training.facts import facts

    logger = Wandb().build(facts(pathlib.Path(sys.argv[1])))
    logger.log_hyperparams({"seed": 0})
    for step in range(1, 7):
        logger.log_metrics({"train/loss": float(step)}, step)
    time.sleep(float(sys.argv[2]))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("seconds", [0, 2])
def test_a_killed_process_loses_no_step_that_is_made_again(run, seconds):
    """With and without the time that wandb needs to write what it was told."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(run), str(seconds), "--hub-token=planted"]
    started = time.monotonic()
    killed = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert time.monotonic() - started < 60

    again = Wandb().build(facts(run, segment=1))
    log_steps(again, 1, 9)  # There was no checkpoint: all over again.
    again.log_files(run)
    again.finalize("success")
    found = find(run)
    steps = [point for segment in found for point in segment.curve("train/loss")]
    assert steps == [(step, step) for step in range(1, 10)]
    assert len(found) == 2 or seconds == 0
    assert [path for path in run.rglob("*") if path.is_file() and b"planted" in path.read_bytes()] == []
