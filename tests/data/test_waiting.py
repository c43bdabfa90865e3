"""What takes long says how much of it is done, and nothing before."""

import pytest

from pipeline.data import waiting
from pipeline.data.waiting import Waiting


def said(capsys: pytest.CaptureFixture[str]) -> str:
    with Waiting("encode", 4_000, "rows") as shown:
        shown.advance(1_000)
        shown.advance(1_000)
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_what_is_soon_done_says_nothing(capsys):
    assert said(capsys) == ""


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(waiting, "BETWEEN", -1.0)
    first, second = said(capsys).splitlines()
    assert first.startswith("encode 1,000/4,000 rows  0:00 elapsed, 0:00 left") and "2,000/4,000" in second


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "QUIET", -1.0)
    assert "2,000/4,000 rows" in said(capsys)
