"""A run's directory: whole when it appears, one worker at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.runs import directory
from pipeline.runs.directory import FINISHED, RunDirectory, create, open_run, unfinished, write_whole
from tests.conftest import ROOT


def made(parent: Path, name: str = "1-abc", **facts) -> RunDirectory:
    return create(parent, name, {"config.yaml": "a: 1\n"}, {"id": "abc", **facts})


def test_a_new_run(tmp_path: Path):
    run = made(tmp_path / "deep/er")
    assert run.config.read_text() == "a: 1\n"
    assert run.state == "created" and run.manifest()["starts"] == 0 and run.metrics() == {}
    assert [path.name for path in run.folder.parent.iterdir()] == ["1-abc"]


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path):
    assert [made(tmp_path).folder.name for _ in range(3)] == ["1-abc", "1-abc-2", "1-abc-3"]


def test_where_nothing_can_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"paths.outputs: no run directory can be made in .*file: File exists"):
        made(tmp_path / "file")


def test_updates_keep_the_rest(tmp_path: Path):
    run = made(tmp_path)
    run.update(state=FINISHED)
    assert run.state == FINISHED and run.manifest()["id"] == "abc"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, "old")
    monkeypatch.setattr(directory.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_opening_what_is_no_run(tmp_path: Path):
    run = made(tmp_path)
    assert open_run(str(run.folder)) == run
    with pytest.raises(BadInput, match="did you mean: 1-abc"):
        open_run(str(tmp_path / "1-abd"))
    with pytest.raises(BadInput, match=r"resume: .* no manifest"):
        open_run(str(tmp_path), "resume")


def test_a_newer_format_is_refused(tmp_path: Path):
    run = made(tmp_path, format=directory.FORMAT + 1)
    with pytest.raises(BadInput, match="a newer hydratune"):
        run.manifest()


def test_one_process_at_a_time(tmp_path: Path):
    run = made(tmp_path)
    lines = [
        "import sys, time",
        "from pathlib import Path",
        "from pipeline.runs.directory import RunDirectory",
        f"with RunDirectory(Path({str(run.folder)!r})).working():",
        "    print('held', flush=True)",
        "    time.sleep(60)",
    ]
    holder = subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(BadInput, match="another process works on this run"), run.working():
            pass
        assert run.is_worked_on() and unfinished(tmp_path, "abc") is None
    finally:
        holder.kill()
        holder.wait()
    assert not run.is_worked_on() and unfinished(tmp_path, "abc") == run


def test_the_newest_that_is_not_finished(tmp_path: Path):
    old, middle, new = (made(tmp_path, f"{number}-abc") for number in (1, 2, 3))
    assert unfinished(tmp_path, "abc") == new
    new.update(state=FINISHED)
    assert unfinished(tmp_path, "abc") == middle
    middle.update(state=FINISHED), old.update(state=FINISHED)
    assert unfinished(tmp_path, "abc") is None
    assert unfinished(tmp_path / "nowhere", "abc") is None


def test_a_directory_that_was_never_complete_is_no_run(tmp_path: Path):
    run = made(tmp_path)
    run.folder.rename(tmp_path / ".1-abc.5d0c7f21")
    assert unfinished(tmp_path, "abc") is None
