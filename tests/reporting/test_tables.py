"""What a person reads in the terminal."""

from pathlib import Path

import pytest

from pipeline.reporting.tables import (
    arranged,
    show_best,
    show_pairs,
    show_paths,
    show_scores,
)


def test_scores_have_one_column_a_split(capsys):
    scores = {
        "val/f1": 0.75,
        "val/loss": 1.0,
        "test/f1": 0.5,
        "test/f1/bad": 0.25,
        "test/loss": 2.0,
        "best_step": 4,
    }
    tables = {f"{split}/confusion": [["true \\ predicted", "bad"], ["bad", 7]] for split in ("test", "val")}
    show_scores(scores, tables)
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "0.7500" in line]
    assert line.index("0.5000") < line.index("0.7500")  # test before validation
    assert "test by class" in shown and "0.2500" in shown
    assert "best_step" not in shown and "test/confusion" in shown and "val/confusion" not in shown


def test_a_named_validation_set_is_not_taken_for_a_class():
    names = ["val/f1", "val/loss", "val/news/f1", "val/news/f1/news", "val/news/loss", "val/f1/news"]
    overall, by_class = arranged({name: float(number) for number, name in enumerate(names)})
    assert overall[0] == ["metric", "val", "val/news"]
    assert ["f1", "0.0000", "2.0000"] in overall
    assert by_class == {
        "val": [["class", "f1"], ["news", "5.0000"]],
        "val/news": [["class", "f1"], ["news", "3.0000"]],
    }


def test_pairs_go_where_they_are_asked_to(capsys):
    show_pairs("plan", [("steps", "7")])
    captured = capsys.readouterr()
    assert "steps" in captured.err and captured.out == ""
    show_pairs("plan", [("steps", "7")], error=False)
    assert "steps" in capsys.readouterr().out


def test_what_looks_like_markup_is_shown_as_it_is(capsys):
    show_pairs("plan", [("labels", "2: [/red] 3, :smile: 2")], error=False)
    show_scores({"test/loss": 1.0}, {"test/[bold]": [["true", "[red]"], ["[/red]", 7]]})
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("2: [/red] 3, :smile: 2", "test/[bold]", "│ [/red]", "[red] ┃"))


@pytest.mark.parametrize(
    ("metrics", "chosen", "said"),
    [
        (
            {"monitor": "val/f1", "optimized_metric": 0.97, "total_steps": 1_600},
            True,
            "best: step 16 of 1,600 (val/f1 0.9700)",
        ),
        ({"monitor": "val/f1", "optimized_metric": 0.97}, True, "best: step 16 (val/f1 0.9700)"),
        ({"monitor": "val/f1", "optimized_metric": 0.97}, False, "last: step 16 (val/f1 0.9700)"),
        ({"monitor": None, "optimized_metric": None}, True, "last: step 16"),
    ],
)
def test_the_step_that_was_tested(metrics: dict, chosen: bool, said: str, capsys):
    show_best({"best_step": 16, **metrics}, chosen=chosen)
    assert capsys.readouterr().out.strip() == said


def test_paths_are_those_that_are_there(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "run/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    show_paths(tmp_path / "run", ["model", "missing"])
    assert capsys.readouterr().out.split() == ["run", "model"]
