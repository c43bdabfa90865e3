import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.fetch.cache import cache_folder, entry


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/one", "/two", "/one"),
        ("~/mine", None, "{home}/mine"),
        (None, "/two", "/two/hydratune"),
        (None, "relative", "{home}/.cache/hydratune"),
        (None, None, "{home}/.cache/hydratune"),
        ("", "", "{home}/.cache/hydratune"),
    ],
)
def test_folder_follows_the_environment(monkeypatch, own, xdg, expected):
    for name, value in (("HYDRATUNE_CACHE", own), ("XDG_CACHE_HOME", xdg)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert str(cache_folder()) == expected.format(home=Path.home())


def test_built_once_and_then_read(cache):
    calls = []

    def build(path):
        calls.append(path)
        assert not path.exists()
        path.mkdir()
        (path / "a").write_text("x")

    first, second = entry("kind", "key", build), entry("kind", "key", build)
    assert first == second == cache / "kind" / "key"
    assert (first / "a").read_text() == "x"
    assert len(calls) == 1


def test_failed_build_leaves_nothing_and_may_be_tried_again(cache):
    def fail(path):
        path.mkdir()
        (path / "half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        entry("kind", "key", fail)
    assert list((cache / "kind").iterdir()) == []
    assert entry("kind", "key", lambda path: path.write_text("whole")).read_text() == "whole"


def test_keys_cannot_leave_the_folder(cache):
    for kind, key in (("kind", "../x"), ("kind", ".x"), ("a/b", "x"), ("kind", "")):
        with pytest.raises(ValueError, match="not a name"):
            entry(kind, key, lambda path: path.write_text(""))


def test_unwritable_folder_says_what_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BadInput) as bad:
        entry("kind", "key", lambda path: path.write_text(""))
    assert bad.value.problems[0].where == "HYDRATUNE_CACHE"


BUILDER = """
import os, sys, time
from pathlib import Path
from pipeline.fetch.cache import entry

def build(path):
    with open(sys.argv[1], "a") as log:
        log.write(f"{os.getpid()}\\n")
    path.mkdir()
    (path / "part1").write_text("1")
    time.sleep(float(sys.argv[2]))
    (path / "part2").write_text("2")

print(sorted(file.name for file in entry("kind", "key", build).iterdir()))
"""


def start(log, seconds):
    command = [sys.executable, "-c", BUILDER, str(log), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(path):
    limit = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_processes_at_once_build_once(cache, tmp_path):
    log = tmp_path / "log"
    builders = [start(log, 0.5) for _ in range(4)]
    assert [builder.communicate()[0] for builder in builders] == ["['part1', 'part2']\n"] * 4
    assert len(log.read_text().split()) == 1


def test_killed_build_is_never_read_and_is_removed(cache, tmp_path):
    log = tmp_path / "log"
    killed = start(log, 60)
    wait_for(cache / "kind" / ".key.partial" / "part1")
    waiting = start(log, 0)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert waiting.communicate()[0] == "['part1', 'part2']\n"
    assert [file.name for file in (cache / "kind").iterdir()] == ["key"]
    assert len(log.read_text().split()) == 2
