"""Predictions in files of every format."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import BadInput
from pipeline.reporting.prediction_files import check_output, merged, writing

ROWS = [{"text": 'say "a, b"\nc', "tags": ["x"]}, {"text": "ä\t=1", "tags": []}]
SAID = [
    {"label": "good", "scores": {"good": 0.75, "bad": 0.25}},
    {"label": "bad", "scores": {"good": 0.25, "bad": 0.75}},
]
BOTH = [{**row, **said} for row, said in zip(ROWS, SAID, strict=True)]


def written(path: Path) -> Path:
    with writing(str(path)) as write:
        for row, said in zip(ROWS, SAID, strict=True):
            write(row, said)
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]
    return path


def test_jsonl(tmp_path: Path):
    assert [json.loads(line) for line in written(tmp_path / "a.jsonl").open()] == BOTH


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t")])
def test_delimited(tmp_path: Path, name: str, delimiter: str):
    with written(tmp_path / name).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    nested = [{**row, "tags": json.loads(row["tags"]), "scores": json.loads(row["scores"])} for row in rows]
    assert nested == BOTH


def test_parquet(tmp_path: Path):
    assert pq.read_table(written(tmp_path / "a.parquet")).to_pylist() == BOTH


def test_txt_is_the_label_alone(tmp_path: Path):
    assert written(tmp_path / "a.txt").read_text() == "good\nbad\n"


def test_every_row_is_one_line_of_a_txt(tmp_path: Path):
    path = tmp_path / "a.txt"
    with writing(str(path)) as write:
        for text in ("a\nb", "c\r\nd", "e"):
            write({}, {"text": text})
    assert path.read_text() == "a\\nb\nc\\r\\nd\ne\n"


def test_errors_are_the_last_column_of_a_csv(tmp_path: Path):
    path = tmp_path / "a.csv"
    with writing(str(path)) as write:
        write({"text": "", "error": "mine"}, {"error": "empty"})
        write({"text": "a\n" * 100_000, "error": ""}, {"label": 1})
        write({"text": "b"}, {"error": "bad, very"})
    with path.open(newline="") as file:
        header = file.readline().strip()
    assert header == "text,error,label,predicted_error"
    lines = path.read_text().replace("a\n" * 100_000, "long").splitlines()
    assert lines[1:] == [",mine,,empty", '"long",,1,', 'b,,,"bad, very"']
    assert list(tmp_path.iterdir()) == [path]


def test_standard_output(capsys):
    with writing("-") as write:
        write(ROWS[0], SAID[0])
    assert json.loads(capsys.readouterr().out) == BOTH[0]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet", "txt"])
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), writing(str(path)) as write:
        write(ROWS[0], SAID[0])
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_predictions_hide_no_column():
    assert merged({"label": 1, "predicted_label": 2}, {"label": 3, "score": 4}) == {
        "label": 1,
        "predicted_label": 2,
        "predicted_predicted_label": 3,
        "score": 4,
    }


def test_rows_that_make_no_table(tmp_path: Path):
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(BadInput, match="jsonl"), writing(str(tmp_path / name)) as write:
            write({"a": 1}, SAID[0])
            write({"a": "x", "b": 2}, SAID[1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.docx", "no known format"),
        ("a.cvs", "did you mean: .csv"),
        ("b/a.csv", "no folder"),
        (".", "is a folder"),
    ],
)
def test_outputs_that_cannot_be(tmp_path: Path, name: str, said: str):
    with pytest.raises(BadInput, match=said):
        check_output(str(tmp_path / name))
