"""What becomes of a run of several real processes when one fails, hangs or is killed, or all are asked to stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pipeline.launch import agent
from pipeline.launch.machine import Machine
from pipeline.launch.meeting import here
from pipeline.launch.process import _start
from pipeline.runs.directory import FINISHED, INTERRUPTED, create
from tests.conftest import Command, environment, kill, manifest_of, only_run, start
from tests.launch.trouble import trouble

KEYS = [
    "hardware=ddp",
    "hardware.accelerator=cpu",
    "hardware.threads=1",
    "trainer.batch_size=16",
    "trainer.max_steps=6",
    "trainer.log_every=1",
    "callbacks.checkpoint.every_steps=2",
]


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_TRUST", "tests.launch.trouble")


def reports(run: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(run.glob("logs/.rank*.json"))]


def nobody_is_left(run: Path) -> bool:
    """Of the processes that reported."""
    until = time.monotonic() + 5
    pids = [report["pid"] for report in reports(run)]
    assert len(pids) == 2 and all(pids)
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A long run, once it trains."""
    process = start(folder, *words, *KEYS, "trainer.max_steps=400", "callbacks.checkpoint.every_steps=null")
    until = time.monotonic() + 100
    while not any(path.stat().st_size > 200 for path in folder.glob("outputs/*/*/*/logs/csv/metrics.csv")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_an_error_of_one_is_told_by_name(small: list[str], command: Command, tmp_path: Path):
    done = command("train", *small, *KEYS, *trouble("error"))
    run = only_run(tmp_path)
    said = "rank 1: ValueError: there is no such verdict (trouble.py:"
    assert done.returncode == 1
    assert f"failed: {said}" in done.stderr and "logs/rank1.log" in done.stderr
    assert "Traceback" not in done.stderr and "ChildFailed" not in done.stderr, done.stderr
    manifest = manifest_of(run)
    assert manifest["state"] == "failed" and said in manifest["error"] and manifest["starts"] == 1
    log = (run / "logs/rank1.log").read_text()
    assert "trouble comes" in log and "Traceback" in log and "trouble comes" not in done.stdout
    assert "step 1/6" in (run / "logs/rank0.log").read_text() and "step 1/6" in done.stderr
    assert nobody_is_left(run)


@pytest.mark.slow
def test_a_hang_is_told_ended_and_leaves_nobody(small: list[str], command: Command, tmp_path: Path):
    begin = time.monotonic()
    done = command("train", *small, *KEYS, *trouble("hang"), "hardware.timeout=0.15")
    took = time.monotonic() - begin
    run = only_run(tmp_path)
    assert done.returncode == 1 and took < 60
    assert "failed: the processes hang: rank 1 did not arrive where the others wait" in done.stderr
    assert "rank 1: after 'step 4: batch (before callbacks)', now in trouble.py:" in done.stderr
    assert manifest_of(run)["state"] == "failed" and "rank 1 did not arrive" in manifest_of(run)["error"]
    stacks = (run / "logs/rank1.log").read_text()
    assert "most recent call first" in stacks and "trouble.py" in stacks
    assert "most recent call first" in (run / "logs/rank0.log").read_text()
    assert nobody_is_left(run)


@pytest.mark.slow
def test_one_that_is_killed_starts_again_with_the_others(small: list[str], command: Command, tmp_path: Path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    assert command("train", *small, *KEYS, cwd=whole).returncode == 0
    done = command("train", *small, *KEYS, *trouble("kill"), cwd=cut)
    assert done.returncode == 0, done.stderr
    assert (
        "rank 1 was killed (SIGKILL" in done.stderr and "start again from the last checkpoint" in done.stderr
    )
    one, other = only_run(whole), only_run(cut)
    assert manifest_of(other)["starts"] == 2 and manifest_of(other)["state"] == "finished"
    states = [
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (one, other)
    ]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert (one / "logs/csv/metrics.csv").read_text() == (other / "logs/csv/metrics.csv").read_text()


def test_restarts_are_bounded(small: list[str], command: Command, tmp_path: Path):
    done = command("train", *small, *KEYS, *trouble("kill"), "hardware.restarts=0")
    assert done.returncode == 1 and "failed: rank 1 was killed (SIGKILL" in done.stderr
    manifest = manifest_of(only_run(tmp_path))
    assert manifest["state"] == "failed" and "rank 1 was killed" in manifest["error"]
    assert nobody_is_left(only_run(tmp_path))


@pytest.mark.slow
def test_whoever_starts_them_is_killed_and_they_end_too(small: list[str], tmp_path: Path):
    process = started(tmp_path, *small)
    kill(tmp_path, process)
    assert nobody_is_left(only_run(tmp_path)) and manifest_of(only_run(tmp_path))["state"] == "running"
    # The first of them to notice takes the other one with it.
    said = [path.read_text() for path in only_run(tmp_path).glob("logs/rank*.log")]
    assert any("who started it is gone" in log for log in said)


@pytest.mark.slow
def test_asked_to_stop_all_leave_a_checkpoint(small: list[str], command: Command, tmp_path: Path):
    process = started(tmp_path, *small)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 75, process.stderr.read() if process.stderr else ""
    run = only_run(tmp_path)
    assert manifest_of(run)["state"] == "interrupted"
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert 0 < checkpoint["global_step"] < 400 and len(checkpoint["random"]) == 2
    assert nobody_is_left(run)


def test_killed_at_once_they_start_again_also_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Before the first of them has said that it works, the state is that of the start before."""
    run = create(tmp_path, "run", {}, {})
    run.update(state=INTERRUPTED, starts=1)
    run.logs.mkdir()
    ends = [{0: -9, 1: -9}, {}]

    def attend(*_: object) -> tuple[dict[int, int], bool]:
        codes = ends.pop(0)
        if not codes:
            run.update(state=FINISHED, starts=2)
        return codes, False

    monkeypatch.setattr(agent, "attend", attend)
    assert _start(run, Machine("cpu", 2, "32", None, 1), here(), restarts=1) == {}
    assert not ends and run.state == FINISHED


@pytest.mark.slow
def test_torchrun_hears_of_no_failure_where_all_are_asked_to_stop(small: list[str], tmp_path: Path):
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "pipeline.train"]
    done = subprocess.run(
        [sys.executable, "-m", *words, *small, *KEYS, *trouble("stop", rank=None)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "interrupted: as asked" in done.stderr and "test/accuracy" not in done.stdout
    assert manifest_of(only_run(tmp_path))["state"] == "interrupted"
