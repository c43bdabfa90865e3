"""The audit in the way of a run: stop, warn and off, and where its findings are kept."""

import csv
import json
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.launch.auditing import audited
from pipeline.launch.ready import get_ready
from tests.conftest import only_run
from tests.outcomes import code_of
from tests.specs import spec_of


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def leaking(small: list[str], reviews: Path, tmp_path: Path) -> list[str]:
    """Test rows of which a third is in training, one of them without text."""
    with reviews.open(newline="") as file:
        header, *rows = csv.reader(file)
    rows[100][0] = " "
    splits = {
        "train": rows[:120],
        "validation": rows[120:220],
        "test": [*rows[10:20], rows[100], *rows[220:]],
    }
    for name, some in splits.items():
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *some])
    files = [f"data.{name}={tmp_path / name}.csv" for name in splits]
    return [*[word for word in small if not word.startswith("data.train=")], *files, "trainer.max_steps=2"]


def test_severe_findings_stop_every_command(leaking: list[str], tmp_path: Path, capsys):
    from pipeline import plan, prepare, train

    for command in (prepare.main, plan.main, train.main):
        assert code_of(command, *leaking) == 2
        said = capsys.readouterr().err
        assert "data (leakage): also in training: 10 rows of evaluation" in said
        assert "test.csv:2 ('" in said and "data.audit=warn goes on" in said
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_warn_tells_and_goes_on(leaking: list[str], tmp_path: Path, capsys):
    from pipeline.train import main

    assert code_of(main, *leaking, "data.audit=warn") == 0
    assert "severe: leakage" in capsys.readouterr().err
    run = only_run(tmp_path)
    kept = json.loads((run / "audit.json").read_text())
    assert kept["findings"][0]["rows"] == {"test": list(range(1, 11))}
    card = (run / "README.md").read_text()
    assert "## Data" in card and "- leakage (severe): also in training: 10 rows" in card
    assert "- empty rows (note)" in card


def test_off_looks_for_nothing(leaking: list[str]):
    ready = get_ready(spec_of([*leaking, "data.audit=off"]))
    assert ready.audit is None and ready.files == {}
    assert Run.prepare([*leaking, "data.audit=off"]).rows["test"] == 31


def test_it_is_made_once(leaking: list[str], monkeypatch: pytest.MonkeyPatch):
    spec = spec_of([*leaking, "data.audit=warn"])
    first = get_ready(spec)
    monkeypatch.setattr("pipeline.data.audit.audit.audit", lambda *_: pytest.fail("made again"))
    assert audited(spec, first.prepared) == first.audit
    with pytest.raises(BadInput):
        audited(spec_of(leaking), first.prepared)


def test_clean_data_is_not_in_the_way(small: list[str], capsys):
    from pipeline.prepare import main

    assert code_of(main, *small) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "audit of the data" in shown and "192 rows; tokens: median" in shown and "findings" in shown


def test_evaluation_tells_of_rows_that_were_trained_on(finished: Path, reviews: Path, capsys):
    from pipeline.evaluate import main

    words = [f"run={finished}", "data=files", f"data.test={reviews}"]
    columns = ["data.columns.text='review body'", "data.columns.label=verdict"]
    assert code_of(main, *words, *columns) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "severe: leakage" in said and "192 rows of evaluation" in said
    assert code_of(main, *words, *columns, "data.audit=off") == 0
    assert "leakage" not in capsys.readouterr().err
