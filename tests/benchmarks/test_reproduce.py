"""Experiments have recorded results, and a different score is told from the same one."""

import json
from pathlib import Path

import pytest

from benchmarks import reproduce

CONF = Path(__file__).parents[2] / "conf"


def record(score: float) -> dict:
    machine = {"processor": "a processor", "cpus": 2}
    stamp = {"date": "2026-01-01", "commit": "0" * 40, "python": "3.11", "packages": {}, "machine": machine}
    return {
        "metric": "test/accuracy",
        "score": score,
        "tolerance": 0.02,
        "seconds": 100,
        "memory_mib": 900,
        "stamp": stamp,
    }


def test_every_shipped_experiment_has_a_recorded_result():
    recorded = json.loads(reproduce.RECORDS.read_text())
    shipped = {file.stem for file in (CONF / "experiment").glob("*.yaml")}
    assert set(recorded) == shipped and shipped
    for name, known in recorded.items():
        assert 0.5 < known["score"] <= 1 and known["stamp"]["commit"], name
        lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
        assert lines[2] == reproduce.statement(known), name


def test_a_new_result_takes_the_place_of_the_old_one(tmp_path):
    file = tmp_path / "reviews.yaml"
    file.write_text("# @package _global_\n# Reviews.\nseed: 0\n")
    for score in (0.8, 0.9):
        reproduce.state(record(score), file)
    assert file.read_text().splitlines() == [
        "# @package _global_",
        "# Reviews.",
        "# Recorded: test/accuracy 0.9000, 100 s, 900 MiB (a processor, 2 CPUs).",
        "seed: 0",
    ]


@pytest.mark.parametrize(("score", "agrees"), [(0.84, True), (0.822, True), (0.86, True), (0.80, False)])
def test_scores_agree_within_the_tolerance(score, agrees, capsys):
    assert reproduce.compare(record(0.84), record(score)) is agrees
    assert ("NOT reproduced" in capsys.readouterr().out) is not agrees


def test_an_unknown_experiment_is_named_with_those_there_are(tmp_path, capsys):
    (tmp_path / "records.json").write_text(json.dumps({"known": record(0.8)}))
    with pytest.raises(SystemExit, match="2"):
        reproduce.main(["unknown", "--records", str(tmp_path / "records.json")])
    assert "there are: known" in capsys.readouterr().err


@pytest.mark.slow
def test_records_a_run_and_reproduces_it(tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CONF.parent))
    arguments = [
        "movie_snippets_lora",
        "data.limit=8",
        "trainer.max_steps=1",
        "hardware.threads=1",
        "logger=none",
    ]
    arguments += ["--records", str(tmp_path / "records.json"), "--outputs", str(tmp_path / "outputs")]
    reproduce.main([*arguments, "--record"])
    known = json.loads((tmp_path / "records.json").read_text())["movie_snippets_lora"]
    assert known["memory_mib"] > 100 and known["seconds"] > 0
    request.getfixturevalue("warm")
    # The same bits again, which a recorded score of 2 is far from.
    (tmp_path / "records.json").write_text(json.dumps({"movie_snippets_lora": {**known, "score": 2.0}}))
    with pytest.raises(SystemExit) as left:
        reproduce.main(arguments)
    assert left.value.code == 1
    assert f"{known['score']:.4f} ({known['score'] - 2:+.4f})" in capsys.readouterr().out
