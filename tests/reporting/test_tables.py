"""What a person reads in the terminal."""

from pathlib import Path

from pipeline.reporting.tables import show_pairs, show_paths, show_scores


def test_scores_have_one_column_a_split(capsys):
    scores = {"test/f1": 0.5, "test/f1/bad": 0.25, "val/f1": 0.75, "best_step": 4, "mode": "max"}
    tables = {"test/confusion": [["", "bad"], ["bad", 7]], "val/confusion": [["", "bad"], ["bad", 9]]}
    show_scores(scores, tables)
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "f1 " in line]
    assert line.index("0.5000") < line.index("0.7500")  # test before validation
    assert "f1/bad" in shown and "0.2500" in shown
    assert "best_step" not in shown and "test/confusion" in shown and "val/confusion" not in shown


def test_pairs_go_where_they_are_asked_to(capsys):
    show_pairs("plan", [("steps", "7")])
    captured = capsys.readouterr()
    assert "steps" in captured.err and captured.out == ""
    show_pairs("plan", [("steps", "7")], error=False)
    assert "steps" in capsys.readouterr().out


def test_paths_are_those_that_are_there(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "run/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    show_paths(tmp_path / "run", ["model", "missing"])
    assert capsys.readouterr().out.split() == ["run", "model"]
