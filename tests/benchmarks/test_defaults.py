"""Runs of several sides to a table, sets as files, and that this program's side has nothing set."""

import json
from pathlib import Path

import pytest

from benchmarks import defaults, sets
from benchmarks.defaults import COLUMNS, TFIDF, TRAINER, table


def runs(seconds: float) -> list[dict]:
    scores = {"full": 0.9, "lora": 0.8, TRAINER: 0.7}
    found = [
        {"set": "trec6", "side": side, "seed": seed, "accuracy": score + seed / 100, "cpu_seconds": seconds}
        for side, score in scores.items()
        for seed in (0, 1)
    ]
    for run in found:
        run["cpu_seconds"] /= 2 if run["side"] == "full" else 1
    return [
        *found,
        {"set": "trec6", "side": TFIDF, "seed": None, "accuracy": 0.6, "rows": 1234, "classes": 6},
    ]


def test_times_are_those_of_trainer_with_the_same_seed():
    (row,) = table(runs(100.0))
    assert row[:3] == ("trec6", "6", "1,234") and len(row) == len(COLUMNS)
    assert row[3:7] == ("90.5 ± 6.4", "80.5 ± 6.4", "70.5 ± 6.4", "60.0")
    assert row[7:] == ("0.50 ×", "1.00 ×", "2")


def test_a_set_without_one_of_the_sides_is_left_out():
    assert table([run for run in runs(1.0) if run["side"] != "lora"]) == []


def test_rows_are_cut_before_validation_is_held_out(tmp_path: Path):
    for folder in sets.FOLDERS:
        (tmp_path / folder).mkdir()
    lines = [json.dumps({"text": f"text {number}", "label": "ab"[number % 2]}) for number in range(60)]
    for name in ("train", "test_dedup"):
        (tmp_path / "trec6" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    assert sets.write("trec6", tmp_path, tmp_path / "made", 40) == {"train": 36, "validation": 4, "test": 60}
    written = {
        split: {row["text"] for row in sets.lines(tmp_path / "made" / f"{split}.jsonl")}
        for split in ("train", "validation", "test")
    }
    assert not written["train"] & written["validation"] and len(written["train"]) == 36


def test_unknown_sets_and_missing_folders_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    wrong = (
        (["--sets", "trek6"], "trek6: there are movies"),
        (["--rows", "-5"], "--rows: -5 are too few"),
        ([], "no glue_sst2, trec6, banking77 in"),
    )
    for words, said in wrong:
        with pytest.raises(SystemExit) as left:
            defaults.main(["--data", str(tmp_path), *words])
        assert left.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.slow
def test_all_sides_score_the_same_rows(tmp_path: Path, warm: None):
    for folder in sets.FOLDERS:
        (tmp_path / folder).mkdir()
    words = {"a": "dull slow bad", "b": "good warm bright"}
    lines = [
        json.dumps({"text": f"{words['ab'[number % 2]]} {number}", "label": "ab"[number % 2]})
        for number in range(80)
    ]
    for name, kept in (("train", lines[:60]), ("test_dedup", lines[60:])):
        (tmp_path / "trec6" / f"{name}.jsonl").write_text("\n".join(kept) + "\n")
    output = tmp_path / "results.json"
    words_of_run = ["trainer.max_steps=2", "data.audit=off"]
    asked = [
        "--data",
        str(tmp_path),
        "--sets",
        "trec6",
        "--seeds",
        "0",
        "--output",
        str(output),
        *words_of_run,
    ]
    defaults.main(asked)
    found = {run["side"]: run for run in json.loads(output.read_text())["runs"]}
    assert found.keys() == {"full", "lora", TRAINER, TFIDF}
    assert {run["rows"] for run in found.values()} == {54}
    # Three epochs of two batches on its side, what was set on ours.
    assert found[TRAINER]["steps"] == 6 and found["full"]["steps"] == 2
    assert all(0 <= run["accuracy"] <= 1 and run["cpu_seconds"] > 0 for run in found.values())
    assert "trec6" in output.with_suffix(".md").read_text()
    before = output.read_text()
    defaults.main([*asked, "--resume"])
    assert json.loads(output.read_text())["runs"] == json.loads(before)["runs"]
    # Runs of other rows do not go into one table.
    with pytest.raises(SystemExit):
        defaults.main([*asked, "--resume", "--rows", "40"])
    assert json.loads(output.read_text())["runs"] == json.loads(before)["runs"]
