"""A process that is stuck ends by itself, and says where it is."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import ctypes, os, sys, time
from pathlib import Path
from pipeline.runs.directory import RunDirectory
from pipeline.runs.ranks import Report
from pipeline.training.watchdog import Watchdog, mark, unwatched, watching

folder, how, parent = sys.argv[1:]
log = Path(folder, "log").open("w")
ended = lambda report: print("told", report.rank)
def stuck():
    time.sleep(30)
with watching(Watchdog(RunDirectory(Path(folder)), Report(3, "one"), 1.0, log, int(parent), ended)):
    if how == "prepares":
        time.sleep(2)
        sys.exit(7)
    mark("ready")
    time.sleep(0.5)
    if how == "interpreter":
        ctypes.PyDLL(None).sleep(30)  # It holds the interpreter.
    for _ in range(4 * (how == "works")):
        time.sleep(0.5)
        mark("a step", counts=False)
    if how == "works":
        unwatched()
        time.sleep(2)
        sys.exit(7)
    stuck()
"""


def end_of(folder: Path, how: str, parent: int | None = None) -> tuple[int, float, str]:
    """Exit code, seconds and log."""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-u", "-c", SCRIPT, str(folder), how, str(parent or os.getpid())],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, time.monotonic() - begin, done.stdout + (folder / "log").read_text()


def report(folder: Path) -> dict:
    return json.loads((folder / "logs/.rank3.json").read_text())


def test_a_hang_is_reported_with_its_place(tmp_path: Path):
    code, seconds, log = end_of(tmp_path, "sleeps")
    assert code == 1 and seconds < 20
    assert "told 3" in log and "no progress for 1 seconds, since 'ready'" in log and "in stuck" in log
    found = report(tmp_path)
    assert (found["kind"], found["marks"], found["last"], found["waits"]) == ("hang", 1, "ready", False)
    assert found["at"].endswith("stuck")


def test_one_that_holds_the_interpreter_is_ended_too(tmp_path: Path):
    code, seconds, log = end_of(tmp_path, "interpreter")
    assert code == 1 and seconds < 20
    assert "Timeout" in log and "told" not in log and report(tmp_path)["kind"] == ""


@pytest.mark.parametrize("how", ["prepares", "works"])
def test_who_prepares_or_goes_on_is_left_alone(how: str, tmp_path: Path):
    assert end_of(tmp_path, how)[0] == 7


def test_it_ends_with_who_started_it(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    code, _, log = end_of(tmp_path, "sleeps", parent=gone.pid)
    assert code == 1 and "who started it is gone" in log
