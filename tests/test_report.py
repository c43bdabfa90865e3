"""The command `report`."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.sweep_folders import grid, make_sweep, trial


def test_a_page_of_a_run_and_of_a_sweep(finished: Path, command: Command, tmp_path: Path):
    run = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("model", "checkpoints"))
    (run / "report.html").unlink()
    done = command("report", "run=run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(run / "report.html") and (run / "report.html").is_file()
    grid(tmp_path / "heads", {"x=1": 0.5, "x=2": 0.75})
    done = command("report", "sweep=heads", "output=page.html")
    assert (done.returncode, done.stdout.strip()) == (0, "page.html"), done.stderr
    assert "0.7500" in (tmp_path / "page.html").read_text() and not (tmp_path / "heads/report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "of which run or sweep?"),
        (["run=a", "sweep=b"], "one or the other"),
        (["run=nothing"], "there is no folder nothing"),
        (["sweep=."], "it has no sweep.json"),
        (["sweep=waiting"], "no trial of"),
        (["sweep=waiting", "output=page.txt", "optimizer.lr=1"], "'page.txt' is no file of a page"),
        (["run=a", "output=no/page.html"], "there is no folder no"),
        (["run=a", "-m"], "is no flag of report"),
    ],
)
def test_what_cannot_be_told_of(words: list[str], said: str, command: Command, tmp_path: Path):
    make_sweep(tmp_path / "waiting", [trial(0, [], [], state="pending")])
    done = command("report", *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*.html")) == []
    assert "optimizer.lr=1" not in words or "belongs to how the run was trained" in done.stderr
