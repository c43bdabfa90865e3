"""Seconds until a process says something or ends as it should; every case is timed."""

import json
from pathlib import Path

import pytest

from benchmarks.start import COLUMNS, main, table, until


def test_median_fastest_and_slowest():
    found = table([{"what": "help", "seconds": seconds} for seconds in (3.0, 1.0, 1.5)])
    assert found == [("help", "1.5", "1.0", "3.0")] and len(found[0]) == len(COLUMNS)


def test_what_ends_otherwise_is_not_timed():
    assert until(["this", "--help"]) > 0  # The Zen of Python.
    with pytest.raises(RuntimeError, match=r"python -m this: 0\n.*Zen"):
        until(["this"], code=2)
    with pytest.raises(RuntimeError, match="Zen"):
        until(["this"], said="there is no such line")


def test_no_rounds_are_no_benchmark(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main(["--rounds", "0"])
    assert left.value.code == 2 and "at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_every_case_is_timed(tmp_path: Path, warm: None):
    output = tmp_path / "start.json"
    main(["--rounds", "1", "--rows", "48", "--threads", "1", "--output", str(output)])
    done = json.loads(output.read_text())["runs"]
    assert len(done) == 6 and all(run["seconds"] > 0 for run in done)
    assert "| first step, HF Trainer |" in output.with_suffix(".md").read_text()
