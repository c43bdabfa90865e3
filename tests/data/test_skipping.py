"""Rows that cannot be used stop a run with their places, or are left out, counted and listed."""

import json
import random
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.data.origins import visible
from pipeline.data.prepare import Prepared, load_splits, prepare
from pipeline.errors import BadInput
from pipeline.launch.ready import get_ready
from tests.specs import spec_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(count: int) -> list[dict[str, object]]:
    draw = random.Random(0)
    words = ["good", "bad", "film", "plot", "actor", "long", "dull", "fine"]
    return [{"text": f"{' '.join(draw.choices(words, k=5))} {i}", "label": i % 2} for i in range(count)]


def write(name: str, rows: list[object]) -> None:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    Path(name).write_text(text)


@pytest.fixture
def faulty() -> str:
    """60 rows in 64 lines: line 3 is broken, 11 has no text, 30 no label, 41 a label of the wrong kind."""
    rows: list[object] = lines(60)
    rows.insert(2, '{"text": "half')
    rows.insert(10, {"text": None, "label": 1})
    rows.insert(29, {"text": "who knows", "label": None})
    rows.insert(40, {"text": "nearly", "label": 0.5})
    write("rows.jsonl", rows)
    return "rows.jsonl"


def keys(tiny_bert: Path, *more: str) -> list[str]:
    return ["task=text_classification", "model=auto", f"model.checkpoint={tiny_bert}", "data=files", *more]


def prepared(overrides: list[str]) -> Prepared:
    spec = spec_of(overrides)
    return prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy)


def listed(folder: str | Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (Path(folder) / "skipped_rows.jsonl").read_text().splitlines()]


def test_stop_names_files_and_lines(tiny_bert: Path, faulty: str):
    with pytest.raises(BadInput) as stopped:
        prepared(keys(tiny_bert, f"data.train={faulty}"))
    assert [problem.where for problem in stopped.value.problems] == ["rows.jsonl:3"]
    Path(faulty).write_text(
        "".join(Path(faulty).read_text().splitlines(keepends=True)[:2])
        + "\n"
        + "".join(Path(faulty).read_text().splitlines(keepends=True)[3:])
    )
    with pytest.raises(BadInput) as stopped:
        prepared(keys(tiny_bert, f"data.train={faulty}"))
    said = {problem.what for problem in stopped.value.problems}
    assert said == {
        "no text: rows.jsonl:11 ('1.0')",
        "no label: rows.jsonl:30 ('who knows')",
        "the fraction 0.5 as label; a label is a word or a whole number: rows.jsonl:41 ('nearly')",
    }
    assert "within their split" not in str(stopped.value)


def test_skip_leaves_out_counts_and_lists(tiny_bert: Path, faulty: str, capsys):
    overrides = keys(tiny_bert, f"data.train={faulty}", "data.on_bad_rows=skip")
    ready = get_ready(spec_of(overrides))
    found = ready.prepared
    assert sum(found.rows.values()) == 60 and found.rows == {"train": 48, "validation": 6, "test": 6}
    raw = load_splits(found.folder, "raw")
    texts = [row["text"] for rows in raw.values() for row in rows]
    assert sorted(texts) == sorted(row["text"] for row in lines(60))
    assert all(visible(rows.column_names) == ["text", "label"] for rows in raw.values())
    rows = listed(found.folder)
    assert [(row["file"], row["line"], row["column"]) for row in rows] == [
        ("rows.jsonl", 3, None),
        ("rows.jsonl", 11, "text"),
        ("rows.jsonl", 30, "label"),
        ("rows.jsonl", 41, "label"),
    ]
    assert rows[0]["raw"] == '{"text": "half' and json.loads(rows[2]["raw"]) == {
        "text": "who knows",
        "label": None,
    }
    assert "no text" in rows[1]["what"] and "no label" in rows[2]["what"] and "fraction" in rows[3]["what"]
    said = "4 rows skipped: is not JSON (1), no text (1), no label (1), the fraction 0.5 as label (1)"
    assert f"warning: {said}; listed in {found.folder}" in capsys.readouterr().err
    assert said in dict(ready.plan())["data"]
    again = get_ready(spec_of(overrides)).prepared
    assert again.cached and again.skipped == found.skipped
    assert "4 rows skipped" in capsys.readouterr().err


def test_a_label_that_training_lacks(tiny_bert: Path, here: Path):
    write("train.jsonl", lines(20))
    write("validation.jsonl", [*lines(5), {"text": "odd", "label": 7}])
    files = keys(tiny_bert, "data.train=train.jsonl", "data.validation=validation.jsonl", "data.split.test=0")
    with pytest.raises(
        BadInput, match=r"label '7' never occurs in the training data.*validation\.jsonl:6 \('odd'\)"
    ):
        prepared(files)
    found = prepared([*files, "data.on_bad_rows=skip"])
    assert found.rows == {"train": 20, "validation": 5}
    (row,) = listed(found.folder)
    assert (row["file"], row["line"], row["column"]) == ("validation.jsonl", 6, "label")


def test_most_rows_being_bad_stops_all_the_same(tiny_bert: Path, here: Path):
    write("train.jsonl", [*lines(10), *({"text": f"t {i}", "label": None} for i in range(11))])
    with pytest.raises(BadInput, match="11 of 21 rows of train cannot be used: more than half") as stopped:
        prepared(keys(tiny_bert, "data.train=train.jsonl", "data.on_bad_rows=skip"))
    assert "no label: train.jsonl:11" in str(stopped.value)
    assert not list((here / "cache" / "encoded").glob("*"))


def test_rows_of_a_mixture_are_counted_by_source(tiny_bert: Path, here: Path):
    good = lines(60)
    bad = [{"text": f"t {i}", "label": None} for i in range(30)]
    write("large.jsonl", [*good[:40], *bad[:20]])
    write("small.jsonl", [*good[40:54], *bad[20:]])
    overrides = [
        *keys(tiny_bert)[:3],
        *("data=mixture", "+data@data.sources.a=files", "+data@data.sources.b=files"),
        *("data.sources.a.train=large.jsonl", "data.on_bad_rows=skip"),
    ]
    found = prepared([*overrides, "data.sources.b.train=small.jsonl"])
    assert sum(found.rows.values()) == 54 and len(listed(found.folder)) == 30
    write("worse.jsonl", [*good[40:54], *bad[:15]])
    with pytest.raises(BadInput, match=r"data\.sources\.b: 15 of 29 rows of train cannot be used"):
        prepared([*overrides, "data.sources.b.train=worse.jsonl"])


def test_few_shot_examples_are_drawn_of_good_rows(tiny_bert: Path, faulty: str):
    overrides = keys(tiny_bert, f"data.train={faulty}", "data.on_bad_rows=skip", "data.examples_per_class=5")
    assert prepared(overrides).rows["train"] == 10


def test_rows_of_other_tasks(tiny_bert: Path, here: Path):
    rows = [{"text": f"a text {i}", "label": str(float(i))} for i in range(40)]
    rows[7]["label"] = "n/a"
    write("rows.jsonl", rows)
    overrides = [*keys(tiny_bert, "data.train=rows.jsonl")[1:], "task=regression"]
    with pytest.raises(BadInput, match=r"'n/a' is no number: rows\.jsonl:8 \('a text 7'\)"):
        prepared(overrides)
    found = prepared([*overrides, "data.on_bad_rows=skip"])
    assert sum(found.rows.values()) == 39 and listed(found.folder)[0]["line"] == 8


def test_evaluate_and_the_run_directory(tiny_bert: Path, faulty: str, here: Path):
    overrides = keys(tiny_bert, f"data.train={faulty}", "data.on_bad_rows=skip", "trainer.max_steps=1")
    run = Run.train([*overrides, "hardware=cpu", f"paths.outputs={here / 'outputs'}"])
    assert [row["line"] for row in listed(run.folder / "logs")] == [3, 11, 30, 41]
    write("new.jsonl", [*lines(8), {"text": "unknown", "label": 9}, {"text": None, "label": 1}, "{"])
    with pytest.raises(BadInput, match=r"new\.jsonl:11"):
        run.evaluate(["data=files", "data.test=new.jsonl"])
    write("new.jsonl", [*lines(8), {"text": "unknown", "label": 9}])
    with pytest.raises(BadInput, match=r"the model has no label '9': new\.jsonl:9 \('unknown'\)"):
        run.evaluate(["data=files", "data.test=new.jsonl"])
    good = here / "good.jsonl"
    write("good.jsonl", lines(8))
    scores = run.evaluate(["data=files", "data.test=new.jsonl", "data.on_bad_rows=skip"])
    assert scores == run.evaluate(["data=files", f"data.test={good}"])
