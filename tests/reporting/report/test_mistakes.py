"""The worst mistakes of every form of prediction."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.reporting.report.mistakes import SHOWN, Examples, worst


def found(folder: Path, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Examples | None:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps({**row, "prediction": said}) + "\n" for row, said in rows))
    return worst(path)


def said(label: object, **scores: float) -> dict[str, Any]:
    return {"label": label, "score": scores[str(label)], "scores": scores}


def test_wrong_labels_that_it_was_surest_of_come_first(tmp_path: Path):
    examples = found(
        tmp_path,
        [
            ({"text": "right", "label": "good"}, said("good", good=0.99, bad=0.01)),
            ({"text": "unsure", "label": "good"}, said("bad", good=0.45, bad=0.55)),
            ({"text": "sure", "label": "bad"}, said("good", good=0.9, bad=0.1)),
        ],
    )
    assert examples and [row["text"] for row in examples.rows] == ["sure", "unsure"]
    assert (examples.looked_at, examples.wrong) == (3, 2)
    assert examples.rows[0] == {
        "text": "sure",
        "label": "bad",
        "predicted label": "good",
        "predicted score": "0.9",
    }


def test_labels_that_are_numbers_are_compared_as_they_are_written(tmp_path: Path):
    examples = found(tmp_path, [({"text": "t", "label": 1}, {"label": 1, "scores": {"1": 0.9}})])
    assert examples and examples.rows == [] and examples.wrong == 0


def test_numbers_by_their_distance(tmp_path: Path):
    rows = [({"text": str(i), "label": float(i)}, {"value": 2.0}) for i in range(5)]
    examples = found(tmp_path, [*rows, ({"text": "none", "label": None}, {"value": 2.0})])
    assert examples and [row["text"] for row in examples.rows] == ["0", "4", "1", "3"]
    assert examples.wrong is None


def test_several_labels_by_how_many_differ(tmp_path: Path):
    examples = found(
        tmp_path,
        [
            ({"text": "one", "label": ["a", "b"]}, {"labels": ["a"]}),
            ({"text": "three", "label": ["a", "b"]}, {"labels": ["c"]}),
            ({"text": "none", "label": ["a"]}, {"labels": ["a"]}),
        ],
    )
    assert examples and [row["text"] for row in examples.rows] == ["three", "one"] and examples.wrong == 2


def test_texts_are_shown_as_they_are(tmp_path: Path):
    examples = found(tmp_path, [({"source": "x" * 5_000}, {"text": str(i)}) for i in range(50)])
    assert examples and len(examples.rows) == SHOWN and examples.wrong is None
    assert [row["predicted text"] for row in examples.rows] == [str(i) for i in range(SHOWN)]
    assert len(examples.rows[0]["source"]) < 500


def test_only_so_many_and_those_the_worst(tmp_path: Path):
    rows = [({"label": "a"}, said("b", a=1 - i / 1000, b=i / 1000)) for i in range(501, 1000)]
    examples = found(tmp_path, rows)
    assert examples and examples.wrong == 499 and len(examples.rows) == SHOWN
    assert [row["predicted score"] for row in examples.rows][:2] == ["0.999", "0.998"]


def test_without_predictions_there_is_nothing(tmp_path: Path):
    assert worst(tmp_path / "test.jsonl") is None
    (tmp_path / "test.jsonl").touch()
    assert worst(tmp_path / "test.jsonl") is None
