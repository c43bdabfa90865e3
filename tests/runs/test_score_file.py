"""Scores as JSON."""

import json
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.runs.score_file import check_score_file, write_scores


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    check_score_file(str(path))
    table = [["", "Küche"], ["Küche", 3]]
    write_scores(str(path), {"test/f1": 0.5, "test/loss": float("nan")}, {"test/confusion": table})
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["metrics"]["test/f1"] == 0.5 and found["tables"] == {"test/confusion": table}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "said"), [("a.csv", "no file of JSON"), ("b/a.json", "no folder")])
def test_files_that_cannot_be(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_score_file(str(tmp_path / name))
